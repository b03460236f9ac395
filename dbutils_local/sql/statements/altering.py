"""ALTER TABLE and COMMENT ON: columns added, dropped, renamed, changed; what is not kept is said."""

from __future__ import annotations

from collections.abc import Callable

from dbutils_local.errors import NotSupportedHere
from dbutils_local.sql import steps
from dbutils_local.sql.expressions.text import parse, type_text
from dbutils_local.sql.names import ident, place
from dbutils_local.sql.scan import Kind, code, quote
from dbutils_local.sql.statements.adapted import expression_text
from dbutils_local.sql.statements.columns import column_line
from dbutils_local.sql.statements.properties import column_defs
from dbutils_local.sql.statements.request import Cursor, Request, if_exists
from dbutils_local.sql.steps import Change, Nothing, Step


def alter_table(request: Request) -> Step:
    """ALTER TABLE t <alteration>, by the first words of the alteration."""
    cursor = Cursor(request, 2)
    parts = cursor.name()
    table = place(parts, request.scope)
    for words, action in _ALTERATIONS:
        if cursor.take(*words):
            return action(cursor, table, parts)
    raise NotSupportedHere(f"ALTER TABLE ... {cursor.found.upper()} is not done by the embedded SQL engine")


def _add_columns(cursor: Cursor, table: str, parts: list[str]) -> Step:
    lenient = "IF NOT EXISTS " if if_exists(cursor) else ""
    text = cursor.group() if cursor.peek("(") else cursor.rest()
    cursor.end()
    scope, statements = cursor.request.scope, []
    tree = parse(f"CREATE TABLE t ({text})") if not _placed(text) else None
    if tree is None:
        raise NotSupportedHere(
            "ADD COLUMN ... FIRST | AFTER is not done by the embedded SQL engine: DuckDB adds columns at the end"
        )
    for item in column_defs(tree.this):
        kind = type_text(item.args["kind"].sql("databricks"))
        line, _, comment, _ = column_line(item, table, {item.name.lower(): kind}, scope)
        statements.append(f"ALTER TABLE {table} ADD COLUMN {lenient}{line}")
        statements += (
            [f"COMMENT ON COLUMN {table}.{ident(item.name)} IS {quote(comment)}"] if comment is not None else []
        )
    return Change(tuple(statements))


def _placed(text: str) -> bool:
    """Whether a column is to be put FIRST or AFTER another."""
    tokens = code(text)
    return any(
        token.word in ("FIRST", "AFTER") and token.kind is Kind.NAME and index > 1 for index, token in enumerate(tokens)
    )


def _drop_columns(cursor: Cursor, table: str, parts: list[str]) -> Step:
    exists = "IF EXISTS " if if_exists(cursor) else ""
    names = (
        [token.text.strip("`") for token in code(cursor.group()) if token.kind is Kind.NAME]
        if cursor.peek("(")
        else [cursor.name()[-1]]
    )
    while cursor.take(","):
        names.append(cursor.name()[-1])
    cursor.end()
    return Change(tuple(f"ALTER TABLE {table} DROP COLUMN {exists}{ident(name)}" for name in names))


def _rename_column(cursor: Cursor, table: str, parts: list[str]) -> Step:
    old = cursor.name()[-1]
    cursor.expect("TO")
    new = cursor.name()[-1]
    cursor.end()
    return Change((f"ALTER TABLE {table} RENAME COLUMN {ident(old)} TO {ident(new)}",))


def rename_table(cursor: Cursor, table: str, parts: list[str]) -> Step:
    """RENAME TO, inside its schema."""
    new, scope = cursor.name(), cursor.request.scope
    cursor.end()
    if place(new, scope).rsplit(".", 1)[0] != table.rsplit(".", 1)[0]:
        raise NotSupportedHere(f"RENAME TO {'.'.join(new)} moves the table to another schema, which DuckDB cannot do")
    kind = "VIEW" if cursor.request.words(2)[1] == "VIEW" else "TABLE"
    return Change((f"ALTER {kind} {table} RENAME TO {ident(new[-1])}",))


def _alter_column(cursor: Cursor, table: str, parts: list[str]) -> Step:
    column = ident(cursor.name()[-1])
    if cursor.take("COMMENT"):
        return Change((f"COMMENT ON COLUMN {table}.{column} IS {quote(cursor.string())}",))
    head = f"ALTER TABLE {table} ALTER COLUMN {column}"
    if cursor.take("TYPE"):
        return Change((f"{head} SET DATA TYPE {type_text(cursor.rest())}",))
    if cursor.take("SET", "DEFAULT"):
        return Change((f"{head} SET DEFAULT {expression_text(cursor.rest(), cursor.request.scope)}",))
    for words in (("DROP", "DEFAULT"), ("SET", "NOT", "NULL"), ("DROP", "NOT", "NULL")):
        if cursor.take(*words):
            cursor.end()
            return Change((f"{head} {' '.join(words)}",))
    if cursor.peek("SET", "TAGS") or cursor.peek("UNSET", "TAGS"):
        return Nothing("ALTER COLUMN ... TAGS: nothing done, tags are not kept here")
    raise NotSupportedHere(f"ALTER COLUMN ... {cursor.found.upper()} is not done by the embedded SQL engine")


def _add_constraint(cursor: Cursor, table: str, parts: list[str]) -> Step:
    words = [token.word for token in cursor.request.tokens[cursor.index :]]
    if "CHECK" in words[:3]:
        raise NotSupportedHere(
            "ADD CONSTRAINT ... CHECK is not done by the embedded SQL engine: DuckDB cannot add a check to a table"
        )
    return Nothing("ADD CONSTRAINT: nothing done, PRIMARY KEY and FOREIGN KEY are information only, as on Databricks")


def _noted(what: str) -> Callable[[Cursor, str, list[str]], Step]:
    return lambda cursor, table, parts: Nothing(f"ALTER TABLE ... {what}: nothing done, it is not kept here")


_ALTERATIONS: tuple[tuple[tuple[str, ...], Callable[[Cursor, str, list[str]], Step]], ...] = (
    (("ADD", "CONSTRAINT"), _add_constraint),
    (("ADD", "COLUMNS"), _add_columns),
    (("ADD", "COLUMN"), _add_columns),
    (("DROP", "CONSTRAINT"), _noted("DROP CONSTRAINT")),
    (("DROP", "PRIMARY", "KEY"), _noted("DROP PRIMARY KEY")),
    (("DROP", "COLUMNS"), _drop_columns),
    (("DROP", "COLUMN"), _drop_columns),
    (("RENAME", "COLUMN"), _rename_column),
    (("RENAME", "TO"), rename_table),
    (("ALTER", "COLUMN"), _alter_column),
    (("CHANGE", "COLUMN"), _alter_column),
    (("SET", "TBLPROPERTIES"), _noted("SET TBLPROPERTIES")),
    (("UNSET", "TBLPROPERTIES"), _noted("UNSET TBLPROPERTIES")),
    (("SET", "TAGS"), _noted("SET TAGS")),
    (("UNSET", "TAGS"), _noted("UNSET TAGS")),
    (("SET", "OWNER"), _noted("SET OWNER")),
    (("OWNER", "TO"), _noted("OWNER TO")),
    (("CLUSTER", "BY"), _noted("CLUSTER BY")),
    (("ENABLE", "PREDICTIVE"), _noted("PREDICTIVE OPTIMIZATION")),
    (("DISABLE", "PREDICTIVE"), _noted("PREDICTIVE OPTIMIZATION")),
    (("DROP", "FEATURE"), _noted("DROP FEATURE")),
)


def comment_on(request: Request) -> Step:
    """COMMENT ON TABLE | COLUMN is kept; on a schema or catalog there is nowhere to keep it."""
    cursor = Cursor(request, 2)
    kind = cursor.next().word
    parts = cursor.name()
    cursor.expect("IS")
    text = "NULL" if cursor.peek("NULL") else quote(cursor.string())
    if kind == "COLUMN":
        return steps.Change((f'COMMENT ON COLUMN {place(parts[:-1], request.scope)}."{parts[-1]}" IS {text}',))
    if kind in ("TABLE", "VIEW"):
        return steps.Change((f"COMMENT ON TABLE {place(parts, request.scope)} IS {text}",))
    return Nothing(f"COMMENT ON {kind}: nothing done, comments are kept on tables and columns only")
