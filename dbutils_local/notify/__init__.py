"""Tells people and programs what became of a run (jobs reference, section 8)."""

from __future__ import annotations

from dbutils_local.notify.notifier import Notifier, tell

__all__ = ["Notifier", "tell"]
