"""The run pages: handlers that read a form or a query, ask the desk, and hand the answer to markup."""

from __future__ import annotations

from typing import Any

PAGES: list[tuple[Any, ...]] = []
