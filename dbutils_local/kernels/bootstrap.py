"""What a fresh Python kernel is told before the first cell: load the extensions that others have named."""

from __future__ import annotations

import functools
from typing import Any

GROUP = "dbutils_local.kernel_extensions"


@functools.cache
def all_entry_points() -> Any:
    """The entry points of everything installed, read once a process; choose with `.select(group=...)`."""
    from importlib.metadata import entry_points

    return entry_points()


@functools.cache
def extension_names() -> tuple[str, ...]:
    """Modules in the entry-point group `dbutils_local.kernel_extensions`, sorted."""
    return tuple(sorted({point.value.partition(":")[0] for point in all_entry_points().select(group=GROUP)}))


def bootstrap_code(names: tuple[str, ...]) -> str:
    """Python code that loads them; the extension manager is called directly, because `%load_ext` only prints errors."""
    calls = "\n".join(f"get_ipython().extension_manager.load_extension({name!r})" for name in names)
    return calls or "pass"
