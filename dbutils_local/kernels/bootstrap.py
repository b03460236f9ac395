"""What a fresh Python kernel is told before the first cell: load the extensions that others have named."""

from __future__ import annotations

import functools

GROUP = "dbutils_local.kernel_extensions"


@functools.cache
def extension_names() -> tuple[str, ...]:
    """Modules in the entry-point group `dbutils_local.kernel_extensions`, sorted."""
    from importlib.metadata import entry_points

    return tuple(sorted({point.value.partition(":")[0] for point in entry_points(group=GROUP)}))


def bootstrap_code(names: tuple[str, ...]) -> str:
    """Python code for the kernel; the extension manager is called directly, because `%load_ext` only prints what fails."""
    calls = "\n".join(f"get_ipython().extension_manager.load_extension({name!r})" for name in names)
    return calls or "pass"
