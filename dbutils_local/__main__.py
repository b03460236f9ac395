"""`python -m dbutils_local` and the `dbutils-local` command."""

from __future__ import annotations

import sys


def main() -> None:
    """The command line; `drive` takes a short way in, because every detached run starts with it."""
    if len(sys.argv) == 3 and sys.argv[1] == "drive" and sys.argv[2].isdigit():
        from dbutils_local.workspace import Workspace

        Workspace.open().drive(int(sys.argv[2]))
        return
    from dbutils_local.cli import main as cli

    cli()


if __name__ == "__main__":
    main()
