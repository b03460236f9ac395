"""What a fresh Python kernel is told before the first cell: load the extensions that others have named."""

from __future__ import annotations

import functools

from dbutils_local.imports import all_entry_points

GROUP = "dbutils_local.kernel_extensions"


@functools.cache
def extension_names() -> tuple[str, ...]:
    """Modules in the entry-point group `dbutils_local.kernel_extensions`, sorted."""
    return tuple(sorted({point.value.partition(":")[0] for point in all_entry_points().select(group=GROUP)}))


def bootstrap_code(names: tuple[str, ...]) -> str:
    """Python code that loads them; the extension manager is called directly, because `%load_ext` only prints errors."""
    calls = "\n".join(f"get_ipython().extension_manager.load_extension({name!r})" for name in names)
    return calls or "pass"
