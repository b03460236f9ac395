"""Keyset pages: a token names the row it stands at, so a page costs the same wherever it lies."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from dbutils_local.errors import UserError
from dbutils_local.store.records import Page

T = TypeVar("T")
Place = tuple[int, int]  # (created_at, id)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins: behind `place` in the order newest first, or `backward` before it; None: the first page."""

    place: Place | None = None
    backward: bool = False

    @classmethod
    def read(cls, token: str | None) -> Cursor:
        """The cursor of an opaque token; UserError for one that we did not give."""
        if not token:
            return cls()
        try:
            direction, created_at, identity = json.loads(base64.urlsafe_b64decode(token.encode()))
            if direction not in ("next", "prev"):
                raise ValueError(direction)
            return cls((int(created_at), int(identity)), direction == "prev")
        except (ValueError, TypeError) as error:
            raise UserError(
                f"Invalid page token {token!r}: use next_page_token or prev_page_token of an earlier answer"
            ) from error

    def condition(self, id_column: str) -> tuple[str, tuple[Any, ...]]:
        """SQL for "behind this cursor" and its values."""
        if self.place is None:
            return "1", ()
        return f"(created_at, {id_column}) {'>' if self.backward else '<'} (?, ?)", self.place

    def admits(self, place: Place) -> bool:
        """The same question for a row in memory."""
        return self.place is None or (place > self.place if self.backward else place < self.place)


def page_of(rows: Sequence[T], limit: int, cursor: Cursor, place_of: Callable[[T], Place]) -> Page[T]:
    """A page newest first of up to `limit` + 1 rows that lie behind the cursor, nearest first."""
    more = len(rows) > limit
    items = list(rows[:limit])
    if cursor.backward:
        items.reverse()
    has_next = cursor.backward or more
    has_prev = more if cursor.backward else cursor.place is not None
    if not items:
        return Page((), None, None)
    return Page(
        items,
        _token("next", place_of(items[-1])) if has_next else None,
        _token("prev", place_of(items[0])) if has_prev else None,
    )


def _token(direction: str, place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps([direction, *place]).encode()).decode()
