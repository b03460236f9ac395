"""`%sql` cells: widget statements, parameters from widgets, the last result as a table and as `_sqldf`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from dbutils_local.dbutils.widgets import Widget, WidgetKind
from dbutils_local.sql.parameters import CreateWidget, RemoveWidget, parse_widget_statement
from dbutils_local.sql.scan import Statement, split
from jupyter_ext.kernel import tables

if TYPE_CHECKING:
    from dbutils_local.sql.result import StatementResult
    from jupyter_ext.kernel.face import Face

RESULT = "_sqldf"


def run_sql(face: Face, text: str, *, is_cell: bool) -> Any:
    """Run every statement of `text` in order; show the last one's result, or as a line magic return its frame."""
    statements = split(text)
    if any(parse_widget_statement(statement.text) for statement in statements):
        results = [result for statement in statements for result in _one(face, statement)]
    else:
        results = face.engine().execute(text, face.session.widgets.values()) if statements else []
    for result in results:
        if result.notice:
            print(result.notice, file=sys.stderr)
    last = results[-1] if results else None
    if last is None or not last.has_rows:
        return None
    face.ip.user_ns[RESULT] = last.frame
    if is_cell:
        _show(last)
    return None if is_cell else last.frame


def _one(face: Face, statement: Statement) -> list[StatementResult]:
    match parse_widget_statement(statement.text):
        case CreateWidget() as wanted:
            face.session.widgets.define(_widget(face, wanted))
            return []
        case RemoveWidget(name):
            face.session.widgets.remove(name)
            return []
    # Blank lines above: the engine names the line in the cell.
    text = "\n" * (statement.line - 1) + statement.text
    return face.engine().execute(text, face.session.widgets.values())


def _widget(face: Face, wanted: CreateWidget) -> Widget:
    choices: tuple[str, ...] = ()
    if wanted.choices is not None:
        [result] = face.engine().execute(wanted.choices, face.session.widgets.values())
        choices = tuple(dict.fromkeys("" if row[0] is None else str(row[0]) for row in result.rows))
    return Widget(wanted.name, WidgetKind(wanted.kind), wanted.default, choices)


def _show(result: StatementResult) -> None:
    from IPython.display import display

    table = tables.make(result.columns, result.types, result.rows, result.row_count)
    display({"text/html": tables.as_html(table, RESULT), "text/plain": tables.as_text(table, RESULT)}, raw=True)
