"""`help()` for the members of `dbutils`; the texts are loaded when somebody asks."""

from __future__ import annotations


class Helpful:
    """Gives a member of `dbutils` its `help()`."""

    _module: str

    def help(self, command: str | None = None, *, methodName: str | None = None) -> None:
        """Print what this module, or one command of it, does."""
        from dbutils_local.dbutils.manual import of_command, of_module

        asked = command or methodName
        print(of_command(self._module, asked) if asked else of_module(self._module))
