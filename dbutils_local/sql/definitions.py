"""Statements that make, change and drop things: catalogs, schemas, volumes, tables, views, functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql.files import columns_argument, reader
from dbutils_local.sql.names import IDENTITY_PREFIX, NO_COLUMNS, ident, place, qualified
from dbutils_local.sql.rewrite import cast_text
from dbutils_local.sql.scan import Kind, code, quote
from dbutils_local.sql.steps import (
    Change,
    CreateAs,
    CreateCatalog,
    DropCatalog,
    MakeFolder,
    MakeTempView,
    Nothing,
    Scope,
    Step,
)
from dbutils_local.sql.tables import parts_of
from dbutils_local.sql.translate import (
    Cursor,
    Request,
    adapted,
    expression_text,
    if_exists,
    parse,
    query_text,
    render,
    type_text,
)

# --- catalogs, schemas, volumes -------------------------------------------------------------------------------------


def _create_catalog(request: Request) -> Step:
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    return CreateCatalog(cursor.name()[-1], lenient)


def _drop_catalog(request: Request) -> Step:
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    return DropCatalog(cursor.name()[-1], lenient, cursor.take("CASCADE"))


def _schema_parts(cursor: Cursor) -> tuple[str, str]:
    parts, scope = cursor.name(), cursor.request.scope
    return (parts[0], parts[1]) if len(parts) == 2 else (scope.catalog, parts[0])


def _create_schema(request: Request) -> Step:
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    catalog, schema = _schema_parts(cursor)
    words = [token.word for token in request.tokens[cursor.index :]]
    notice = "CREATE SCHEMA: LOCATION is not used, tables lie in the DuckDB file" if "LOCATION" in words else None
    return Change((f"CREATE SCHEMA {'IF NOT EXISTS ' if lenient else ''}{qualified(catalog, schema)}",), notice=notice)


def _drop_schema(request: Request) -> Step:
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    catalog, schema = _schema_parts(cursor)
    cascade = " CASCADE" if cursor.take("CASCADE") else ""
    return Change((f"DROP SCHEMA {'IF EXISTS ' if lenient else ''}{qualified(catalog, schema)}{cascade}",))


def _volume(request: Request, drop: bool) -> Step:
    cursor = Cursor(request, 2)
    lenient = if_exists(cursor)
    parts, scope = cursor.name(), request.scope
    full = [*[scope.catalog, scope.schema][: 3 - len(parts)], *parts][-3:]
    located = "LOCATION" in [token.word for token in request.tokens[cursor.index :]]
    notice = "CREATE VOLUME: LOCATION is not used, the volume is a folder of the home" if located else None
    return MakeFolder("/Volumes/" + "/".join(full), drop, lenient, notice)


def _create_external_volume(request: Request) -> Step:
    return _volume(Request(request.text, (request.tokens[0], *request.tokens[2:]), request.scope), drop=False)


def _alter_namespace(request: Request) -> Step:
    return Nothing(f"ALTER {request.words(2)[1]}: nothing done, owners, tags and properties are not kept here")


# --- CREATE ---------------------------------------------------------------------------------------------------------


def create(tree: Any, request: Request) -> Step:
    """CREATE TABLE, VIEW, FUNCTION, SCHEMA as sqlglot parsed it."""
    match str(tree.args["kind"]).upper():
        case "TABLE":
            return _create_table(tree, request)
        case "VIEW":
            return _create_view(tree, request)
        case "FUNCTION":
            return _create_function(tree, request)
    raise NotSupportedHere(f"CREATE {tree.args['kind']} is not done by the embedded SQL engine")


def _property(tree: Any, kind: type) -> Any | None:
    properties = tree.args.get("properties")
    return next((item for item in (properties.expressions if properties else []) if isinstance(item, kind)), None)


def _create_table(tree: Any, request: Request) -> Step:
    from sqlglot import exp

    scope = request.scope
    if tree.args.get("clone") is not None:
        return _clone(tree, request)
    schema = tree.this if isinstance(tree.this, exp.Schema) else None
    target = schema.this if schema is not None else tree.this
    table, flags = place(parts_of(target), scope), _Flags(bool(tree.args.get("replace")), bool(tree.args.get("exists")))
    if (like := _property(tree, exp.LikeProperty)) is not None:
        source = place(parts_of(like.this), scope)
        return CreateAs(flags.before(table), flags.head("TABLE", table), f"SELECT * FROM {source} LIMIT 0")
    format_property, location = _property(tree, exp.FileFormatProperty), _property(tree, exp.LocationProperty)
    kind = format_property.this.name.lower() if format_property is not None else "delta"
    options = _options(tree)
    path = options.pop("path", None) or (location.this.name if location is not None else None)
    if tree.expression is not None:
        return CreateAs(
            flags.before(table), flags.head("TABLE", table), query_text(tree.expression, scope), _location_notice(path)
        )
    if path is not None and (existing := _existing(path, scope)):
        return _external_table(kind, existing, options, schema, table, flags)
    if schema is None:
        notice = f"the table has no columns yet: COPY INTO with 'mergeSchema' = 'true' brings them (here: {NO_COLUMNS})"
        return Change((f"{flags.head('TABLE', table)} ({NO_COLUMNS} BOOLEAN)",), notice=notice)
    return _plain_table(schema, tree, table, flags, path, scope)


class _Flags:
    """OR REPLACE and IF NOT EXISTS of one CREATE."""

    def __init__(self, or_replace: bool, if_not_exists: bool) -> None:
        self.or_replace = or_replace
        self.if_not_exists = if_not_exists

    def head(self, kind: str, name: str) -> str:
        """`CREATE ... name`."""
        return (
            f"CREATE {'OR REPLACE ' if self.or_replace else ''}{kind} "
            f"{'IF NOT EXISTS ' if self.if_not_exists else ''}{name}"
        )

    def before(self, table: str) -> tuple[str, ...]:
        """Nothing: DuckDB replaces tables by itself."""
        return ()


def _location_notice(path: str | None) -> str | None:
    return (
        f"LOCATION {path} is not used: the rows lie in the DuckDB file, nothing is written there"
        if path is not None
        else None
    )


def _existing(path: str, scope: Scope) -> list[str]:
    try:
        return scope.files(path)
    except UserError:
        return []


def _options(tree: Any) -> dict[str, str]:
    from sqlglot import exp

    found = _property(tree, exp.OptionsProperty)
    pairs = found.expressions if found is not None else []
    return {_text(item.this).lower(): _text(item.args["value"]) for item in pairs}


def _text(node: Any) -> str:
    from sqlglot import exp

    return str(node.this).lower() if isinstance(node, exp.Boolean) else str(node.name)


def _external_table(
    kind: str, files: Sequence[str], options: dict[str, str], schema: Any, table: str, flags: _Flags
) -> Step:
    """A table over files that are there already: a view that reads them."""
    columns = None
    if schema is not None:
        columns = columns_argument(
            [(item.name, type_text(item.args["kind"].sql("databricks"))) for item in _column_defs(schema)]
        )
    notice = f"the table reads {len(files)} {kind} file{'s' if len(files) != 1 else ''} and cannot be written"
    return CreateAs((), flags.head("VIEW", table), reader(kind, files, options, columns), notice)


def _column_defs(schema: Any) -> list[Any]:
    from sqlglot import exp

    return [item for item in schema.expressions if isinstance(item, exp.ColumnDef)]


def _plain_table(schema: Any, tree: Any, table: str, flags: _Flags, path: str | None, scope: Scope) -> Step:
    """A table with its columns; identity columns take their numbers from a sequence."""
    from sqlglot import exp

    types = {item.name.lower(): type_text(item.args["kind"].sql("databricks")) for item in _column_defs(schema)}
    columns, sequences, comments, dropped = [], [], [], []
    for item in schema.expressions:
        if not isinstance(item, exp.ColumnDef):
            dropped.append("PRIMARY KEY and FOREIGN KEY are information only, as on Databricks")
            continue
        line, identity, comment, keyed = _column(item, table, types, scope)
        columns.append(line)
        sequences += identity
        comments += [f"COMMENT ON COLUMN {table}.{ident(item.name)} IS {quote(comment)}"] if comment is not None else []
        dropped += ["PRIMARY KEY and FOREIGN KEY are information only, as on Databricks"] if keyed else []
    partitioned = _property(tree, exp.PartitionedByProperty)
    columns += [
        f"{ident(item.name)} {type_text(item.args['kind'].sql('databricks'))}"
        for item in _typed_partitions(partitioned)
    ]
    notes = [*dict.fromkeys(dropped), *([_location_notice(path) or ""] if path else [])]
    create_table = f"{flags.head('TABLE', table)} ({', '.join(columns)})"
    table_comment = _property(tree, exp.SchemaCommentProperty)
    comments += [f"COMMENT ON TABLE {table} IS {quote(table_comment.this.name)}"] if table_comment is not None else []
    drops = (*_dropped_sequences(table, scope),) if flags.or_replace else ()
    first = (f"DROP TABLE IF EXISTS {table}", *drops) if drops else ()
    return Change((*first, *sequences, create_table, *comments), notice="; ".join(notes) or None)


def _typed_partitions(partitioned: Any) -> list[Any]:
    from sqlglot import exp

    listed = (
        partitioned.this.expressions if partitioned is not None and isinstance(partitioned.this, exp.Schema) else []
    )
    return [item for item in listed if isinstance(item, exp.ColumnDef) and item.args.get("kind") is not None]


def _column(item: Any, table: str, types: dict[str, str], scope: Scope) -> tuple[str, list[str], str | None, bool]:
    """One column line, the sequences it needs, its comment, and whether a key was left out."""
    from sqlglot import exp

    kind = types[item.name.lower()]
    line, sequences, comment, keyed = [ident(item.name), kind], [], None, False
    for constraint in item.constraints:
        match constraint.kind:
            case exp.NotNullColumnConstraint() as null:
                line.append("NULL" if null.args.get("allow_null") else "NOT NULL")
            case exp.CommentColumnConstraint() as text:
                comment = text.this.name
            case exp.DefaultColumnConstraint() as default:
                line.append(f"DEFAULT {render(adapted(default.this.copy(), scope))}")
            case exp.GeneratedAsIdentityColumnConstraint() as identity:
                sequence = _sequence_name(table, item.name)
                sequences.append(_sequence(sequence, identity))
                line.append(f"DEFAULT nextval({quote(sequence)})")
            case exp.ComputedColumnConstraint() as computed:
                line.append(f"AS ({_computed(computed.this, types, kind, scope)})")
            case exp.PrimaryKeyColumnConstraint() | exp.Reference() | exp.ForeignKey():
                keyed = True
            case other:
                raise NotSupportedHere(
                    f"column {item.name}: {other.sql('databricks')} is not done by the embedded SQL engine"
                )
    return " ".join(line), sequences, comment, keyed


def _computed(expression: Any, types: dict[str, str], kind: str, scope: Scope) -> str:
    """A generated column's expression, its columns cast to their types so that DuckDB can choose overloads."""
    from sqlglot import exp

    tree = expression.copy()
    for column in list(tree.find_all(exp.Column)):
        if column.name.lower() in types and column is not tree:
            column.replace(exp.cast(column.copy(), exp.DataType.build(types[column.name.lower()], dialect="duckdb")))
    return cast_text(render(adapted(tree, scope)), kind)


def _sequence_name(table: str, column: str) -> str:
    catalog, schema, name = _unquoted(table)
    return f"{ident(catalog)}.{ident(schema)}.{ident(IDENTITY_PREFIX + name + '_' + column)}"


def _unquoted(table: str) -> list[str]:
    return [token.text.replace('""', '"').strip('"') for token in code(table) if token.text != "."]


def _sequence(name: str, identity: Any) -> str:
    start, step = identity.args.get("start"), identity.args.get("increment")
    first = start.sql("duckdb") if start is not None else "1"
    by = step.sql("duckdb") if step is not None else "1"
    bounds = "" if not by.startswith("-") else " MINVALUE -9223372036854775808 MAXVALUE 9223372036854775807"
    return f"CREATE SEQUENCE IF NOT EXISTS {name} INCREMENT BY {by}{bounds} START WITH {first}"


def _dropped_sequences(table: str, scope: Scope) -> list[str]:
    """The sequences behind a table's identity columns, to go with it."""
    found = []
    for column in scope.columns_of(table):
        if column.default is not None and IDENTITY_PREFIX in column.default:
            found.append(f"DROP SEQUENCE IF EXISTS {_sequence_name(table, column.name)}")
    return found


def _clone(tree: Any, request: Request) -> Step:
    source = place(parts_of(tree.args["clone"].this), request.scope)
    table = place(parts_of(tree.this), request.scope)
    flags = _Flags(bool(tree.args.get("replace")), bool(tree.args.get("exists")))
    return CreateAs((), flags.head("TABLE", table), f"SELECT * FROM {source}", "CLONE: the rows were copied")


def clone(request: Request) -> Step | None:
    """CREATE [OR REPLACE] TABLE t DEEP | SHALLOW CLONE s, which sqlglot does not read."""
    words = [token.word for token in request.tokens]
    if "CLONE" not in words or words[0] != "CREATE":
        return None
    cursor = Cursor(request, 1)
    or_replace = cursor.take("OR", "REPLACE")
    cursor.expect("TABLE")
    flags = _Flags(or_replace, if_exists(cursor))
    table = place(cursor.name(), request.scope)
    _ = cursor.take("DEEP") or cursor.take("SHALLOW")
    cursor.expect("CLONE")
    source = place(cursor.name(), request.scope)
    cursor.end()
    return CreateAs((), flags.head("TABLE", table), f"SELECT * FROM {source}", "CLONE: the rows were copied")


def _create_view(tree: Any, request: Request) -> Step:
    from sqlglot import exp

    scope = request.scope
    schema = tree.this if isinstance(tree.this, exp.Schema) else None
    target = schema.this if schema is not None else tree.this
    columns = tuple(item.name for item in schema.expressions) if schema is not None else ()
    parts, replacing = parts_of(target), bool(tree.args.get("replace"))
    temporary = _property(tree, exp.TemporaryProperty) is not None or "GLOBAL" in request.words(4)
    if tree.expression is None:
        options = _options(tree)
        form = _property(tree, exp.FileFormatProperty)
        if form is None or "path" not in options:
            raise UserError("[PARSE_SYNTAX_ERROR] CREATE VIEW needs AS <query>, or USING <format> OPTIONS (path '...')")
        query = reader(form.this.name, scope.files(options.pop("path")), options)
    else:
        query = query_text(tree.expression, scope)
    if temporary:
        return MakeTempView(parts[-1], query, replacing, columns)
    listed = f" ({', '.join(map(ident, columns))})" if columns else ""
    flags = _Flags(replacing, bool(tree.args.get("exists")))
    return CreateAs((), flags.head("VIEW", place(parts, replace(scope, temp_views=frozenset()))) + listed, query)


def _create_function(tree: Any, request: Request) -> Step:
    """A SQL function as a DuckDB macro; its parameters are cast to their types, its value to the one it returns."""
    from sqlglot import exp

    scope = request.scope
    signature, body = tree.this, tree.expression
    language = _property(tree, exp.LanguageProperty)
    if language is not None and language.this.name.upper() != "SQL":
        raise NotSupportedHere(
            f"functions in {language.this.name.upper()} are not run by the embedded SQL engine; only SQL functions are"
        )
    if body is None:
        raise NotSupportedHere("CREATE FUNCTION needs RETURN <expression> or RETURN <query> on the embedded SQL engine")
    body = body.this if isinstance(body, exp.Return) else body
    parameters = signature.expressions if isinstance(signature, exp.UserDefinedFunction) else []
    named = signature.this if isinstance(signature, exp.UserDefinedFunction) else signature
    types = {item.name.lower(): item.args["kind"] for item in parameters}
    body = body.transform(lambda node: _typed_parameter(node, types))
    temporary = _property(tree, exp.TemporaryProperty) is not None
    name = (
        f"temp.main.{ident(parts_of(named)[-1])}"
        if temporary
        else place(parts_of(named), replace(scope, temp_views=frozenset()))
    )
    flags = _Flags(bool(tree.args.get("replace")), bool(tree.args.get("exists")))
    listed = ", ".join(_parameter(item, scope) for item in parameters)
    return Change((f"{flags.head('MACRO', name)}({listed}) AS {_function_body(tree, body, scope)}",))


def _typed_parameter(node: Any, types: dict[str, Any]) -> Any:
    from sqlglot import exp

    if not isinstance(node, exp.Column) or node.name.lower() not in types or len(node.parts) > 2:
        return node
    return exp.Cast(this=exp.column(exp.to_identifier(node.name, quoted=True)), to=types[node.name.lower()].copy())


def _parameter(item: Any, scope: Scope) -> str:
    from sqlglot import exp

    default = next((c.kind for c in item.constraints if isinstance(c.kind, exp.DefaultColumnConstraint)), None)
    return ident(item.name) + (f" := {render(adapted(default.this.copy(), scope))}" if default is not None else "")


def _function_body(tree: Any, body: Any, scope: Scope) -> str:
    from sqlglot import exp

    returns = _property(tree, exp.ReturnsProperty)
    if returns is not None and (returns.args.get("is_table") or returns.args.get("table")):
        columns = list(returns.this.expressions) if isinstance(returns.this, exp.Schema) else []
        query = query_text(body, scope)
        if not columns:
            return f"TABLE {query}"
        typed = ", ".join(
            f"CAST({ident(item.name)} AS {type_text(item.args['kind'].sql('databricks'))}) AS {ident(item.name)}"
            for item in columns
        )
        return (
            f"TABLE SELECT {typed} FROM ({query}) AS "
            f"dbutils_local_rows({', '.join(ident(item.name) for item in columns)})"
        )
    value = f"({query_text(body, scope)})" if isinstance(body, exp.Query) else render(adapted(body, scope))
    if returns is None or not isinstance(returns.this, exp.DataType):
        return value
    return cast_text(value, type_text(returns.this.sql("databricks")))


# --- DROP -----------------------------------------------------------------------------------------------------------


def _drop_table(request: Request) -> Step:
    cursor = Cursor(request, 2)
    exists = "IF EXISTS " if if_exists(cursor) else ""
    table = place(cursor.name(), request.scope)
    cursor.take("PURGE")
    cursor.end()
    return Change((f"DROP TABLE {exists}{table}", *_dropped_sequences(table, request.scope)))


def _drop_view(request: Request) -> Step:
    cursor = Cursor(request, 2)
    exists = "IF EXISTS " if if_exists(cursor) else ""
    view = place(cursor.name(), request.scope)
    cursor.end()
    return Change((f"DROP VIEW {exists}{view}",))


def _drop_function(request: Request) -> Step:
    cursor = Cursor(request, 1)
    temporary = cursor.take("TEMPORARY") or cursor.take("TEMP")
    cursor.expect("FUNCTION")
    exists = "IF EXISTS " if if_exists(cursor) else ""
    parts = cursor.name()
    cursor.end()
    name = (
        f"temp.main.{ident(parts[-1])}" if temporary else place(parts, replace(request.scope, temp_views=frozenset()))
    )
    return Change((f"DROP FUNCTION {exists}{name}",))


# --- ALTER ----------------------------------------------------------------------------------------------------------


def _alter_table(request: Request) -> Step:
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
    for item in _column_defs(tree.this):
        kind = type_text(item.args["kind"].sql("databricks"))
        line, _, comment, _ = _column(item, table, {item.name.lower(): kind}, scope)
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


def _rename_table(cursor: Cursor, table: str, parts: list[str]) -> Step:
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


def _alter_view(request: Request) -> Step:
    cursor = Cursor(request, 2)
    parts = cursor.name()
    table = place(parts, request.scope)
    if cursor.take("AS"):
        return CreateAs((), f"CREATE OR REPLACE VIEW {table}", query_text(parse(cursor.rest()), request.scope))
    if cursor.take("RENAME", "TO"):
        return _rename_table(cursor, table, parts)
    return Nothing("ALTER VIEW: nothing done, owners, tags and properties are not kept here")


_ALTERATIONS: tuple[tuple[tuple[str, ...], Callable[[Cursor, str, list[str]], Step]], ...] = (
    (("ADD", "CONSTRAINT"), _add_constraint),
    (("ADD", "COLUMNS"), _add_columns),
    (("ADD", "COLUMN"), _add_columns),
    (("DROP", "CONSTRAINT"), _noted("DROP CONSTRAINT")),
    (("DROP", "PRIMARY", "KEY"), _noted("DROP PRIMARY KEY")),
    (("DROP", "COLUMNS"), _drop_columns),
    (("DROP", "COLUMN"), _drop_columns),
    (("RENAME", "COLUMN"), _rename_column),
    (("RENAME", "TO"), _rename_table),
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


HANDLERS: dict[str, Callable[[Request], Step]] = {
    "CREATE CATALOG": _create_catalog,
    "DROP CATALOG": _drop_catalog,
    "CREATE SCHEMA": _create_schema,
    "CREATE DATABASE": _create_schema,
    "DROP SCHEMA": _drop_schema,
    "DROP DATABASE": _drop_schema,
    "CREATE VOLUME": lambda request: _volume(request, drop=False),
    "CREATE EXTERNAL VOLUME": _create_external_volume,
    "DROP VOLUME": lambda request: _volume(request, drop=True),
    "DROP TABLE": _drop_table,
    "DROP VIEW": _drop_view,
    "DROP FUNCTION": _drop_function,
    "DROP TEMPORARY FUNCTION": _drop_function,
    "DROP TEMP FUNCTION": _drop_function,
    "ALTER SCHEMA": _alter_namespace,
    "ALTER DATABASE": _alter_namespace,
    "ALTER CATALOG": _alter_namespace,
    "ALTER VOLUME": _alter_namespace,
    "ALTER TABLE": _alter_table,
    "ALTER VIEW": _alter_view,
}
