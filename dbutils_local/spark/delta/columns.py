"""What a table's columns and constraints ask of rows that are written: Spark SQL expressions, from text alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dbutils_local.errors import UserError
from dbutils_local.spark.delta.log import Metadata
from dbutils_local.spark.delta.statements import Column

DEFAULT: Final = "CURRENT_DEFAULT"
GENERATED: Final = "delta.generationExpression"
START: Final = "delta.identity.start"
STEP: Final = "delta.identity.step"
MARK: Final = "delta.identity.highWaterMark"
EXPLICIT: Final = "delta.identity.allowExplicitInsert"
LENGTH: Final = "__CHAR_VARCHAR_TYPE_STRING"
CONSTRAINT: Final = "delta.constraints."

SqlType = Callable[[Any], str]
"""A type as Spark's JSON says it, as SQL text."""


class SchemaMismatch(UserError):
    """Rows whose columns do not fit the table."""


@dataclass(frozen=True)
class Fit:
    """How a frame's columns become a table's: `first` from the frame, `then` from what `first` gives."""

    fields: tuple[Mapping[str, Any], ...]
    first: tuple[str, ...]
    then: tuple[str, ...]
    identities: tuple[str, ...] = ()  # columns whose empty places get the next numbers


@dataclass(frozen=True)
class Rules:
    """What a write may do: widen the table's columns, change types to the table's; `new_rows`: none were there."""

    widen: bool = False
    cast: bool = False
    new_rows: bool = True


def fitted(metadata: Metadata, given: Sequence[Mapping[str, Any]], rules: Rules, sql_type: SqlType) -> Fit:
    """How columns `given` (as Spark's JSON says them) go into a table; SchemaMismatch when they do not."""
    named = {str(one["name"]).lower(): one for one in given}
    known = {str(one["name"]).lower() for one in metadata.fields}
    new = [one for one in given if str(one["name"]).lower() not in known]
    if new and not rules.widen:
        raise SchemaMismatch(_mismatch(metadata, given, sql_type))
    fields: list[Mapping[str, Any]] = []
    one: Mapping[str, Any]
    first: list[str] = []
    then: list[str] = []
    identities: list[str] = []
    for one in metadata.fields:
        source = named.get(one["name"].lower())
        if source is None:
            fields.append(one)
            first.append(f"{_absent(one, sql_type)} AS {_quoted(one['name'])}")
            then.append(_worked_out(one, sql_type))
            if START in (one.get("metadata") or {}):
                identities.append(one["name"])
            continue
        if rules.new_rows and START in (one.get("metadata") or {}) and not one["metadata"].get(EXPLICIT):
            raise UserError(
                "[DELTA_IDENTITY_COLUMNS_EXPLICIT_INSERT_NOT_SUPPORTED] Providing values for GENERATED ALWAYS AS "
                f"IDENTITY column {one['name']} is not supported."
            )
        kind = _merged(one["type"], source["type"], rules, one["name"], sql_type)
        fields.append({**one, "type": kind})
        first.append(f"{_converted(source, kind, sql_type)} AS {_quoted(one['name'])}")
        then.append(_quoted(one["name"]))
    for one in new:
        fields.append({"name": one["name"], "type": one["type"], "nullable": True, "metadata": {}})
        first.append(f"{_quoted(one['name'])}")
        then.append(_quoted(one["name"]))
    return Fit(tuple(fields), tuple(first), tuple(then), tuple(identities))


def _absent(one: Mapping[str, Any], sql_type: SqlType) -> str:
    """What a row that says nothing of a column has there."""
    metadata = one.get("metadata") or {}
    kind = sql_type(one["type"])
    if DEFAULT in metadata:
        return f"CAST({metadata[DEFAULT]} AS {kind})"
    if not one.get("nullable", True) and GENERATED not in metadata and START not in metadata:
        raise UserError(
            f"[DELTA_MISSING_NOT_NULL_COLUMN_VALUE] Column {one['name']}, which has a NOT NULL constraint, is missing "
            "from the data being written into the table."
        )
    return f"CAST(NULL AS {kind})"


def _worked_out(one: Mapping[str, Any], sql_type: SqlType) -> str:
    expression = (one.get("metadata") or {}).get(GENERATED)
    name = _quoted(one["name"])
    return name if expression is None else f"CAST({expression} AS {sql_type(one['type'])}) AS {name}"


_WIDER: Final = ("byte", "short", "integer")  # Parquet keeps all three in 32 bits


def _merged(there: Any, given: Any, rules: Rules, name: str, sql_type: SqlType) -> Any:
    """The type a column has after a write."""
    if _bare(there) == _bare(given) or given == "void":
        return there
    if _is_struct(there) and _is_struct(given):
        return _merged_struct(there, given, rules, name, sql_type)
    if there in _WIDER and given in _WIDER and not rules.cast:
        return max(there, given, key=_WIDER.index) if rules.widen else there
    if rules.cast:
        return there
    raise SchemaMismatch(
        f"[DELTA_FAILED_TO_MERGE_FIELDS] Failed to merge fields '{name}' and '{name}': the table's type is "
        f"{sql_type(there).upper()}, that of the data {sql_type(given).upper()}; cast the column, or use "
        "overwriteSchema"
    )


def _merged_struct(there: Any, given: Any, rules: Rules, name: str, sql_type: SqlType) -> Any:
    known = {one["name"].lower(): one for one in there["fields"]}
    fields = []
    offered = {one["name"].lower(): one for one in given["fields"]}
    for key, one in known.items():
        other = offered.get(key)
        kind = one["type"] if other is None else _merged(one["type"], other["type"], rules, f"{name}.{key}", sql_type)
        fields.append({**one, "type": kind})
    more = [one for key, one in offered.items() if key not in known]
    if more and not rules.widen:
        raise SchemaMismatch(
            f"A schema mismatch detected when writing to the Delta table: column {name} has no field "
            f'{", ".join(one["name"] for one in more)}; set option("mergeSchema", "true") to add it'
        )
    return {**there, "fields": [*fields, *({**one, "nullable": True} for one in more)]}


def _converted(source: Mapping[str, Any], kind: Any, sql_type: SqlType) -> str:
    return _as_type(_quoted(source["name"]), source["type"], kind, sql_type)


def _as_type(text: str, given: Any, wanted: Any, sql_type: SqlType) -> str:
    """An expression of one type as another; fields of structs by name."""
    if _bare(given) == _bare(wanted):
        return text
    if _is_struct(given) and _is_struct(wanted):
        offered = {one["name"].lower(): one for one in given["fields"]}
        parts = []
        for one in wanted["fields"]:
            source = offered.get(one["name"].lower())
            value = (
                f"CAST(NULL AS {sql_type(one['type'])})"
                if source is None
                else _as_type(f"{text}.{_quoted(source['name'])}", source["type"], one["type"], sql_type)
            )
            parts.append(f"'{one['name']}', {value}")
        return f"IF({text} IS NULL, NULL, named_struct({', '.join(parts)}))"
    return f"CAST({text} AS {sql_type(wanted)})"


_BESIDE: Final = ("nullable", "metadata", "containsNull", "valueContainsNull")


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, dict) and kind.get("type") == "struct"


def _bare(kind: Any) -> Any:
    """A type without what does not matter for values: whether they may be missing, and comments."""
    if isinstance(kind, dict):
        return {key: _bare(value) for key, value in kind.items() if key not in _BESIDE}
    if isinstance(kind, list):
        return [_bare(one) for one in kind]
    return kind


def declared(one: Mapping[str, Any], column: Column) -> dict[str, Any]:
    """A column as Spark has read it, with what only Delta knows of it."""
    metadata = dict(one.get("metadata") or {})
    kind = one["type"]
    if isinstance(kind, str) and kind.startswith(("varchar", "char")):
        metadata[LENGTH], kind = kind, "string"
    if column.generated is not None:
        metadata[GENERATED] = column.generated
    if column.default is not None:
        metadata[DEFAULT] = column.default
    if column.identity is not None:
        start, step = column.identity
        metadata |= {START: start, STEP: step, EXPLICIT: column.explicit}
    return {"name": one["name"], "type": kind, "nullable": one.get("nullable", True), "metadata": metadata}


# --- what rows must obey -------------------------------------------------------------------------------------------


def checks(metadata: Metadata) -> list[tuple[str, str]]:
    """Conditions on rows, each with the SQL expression of the message when it is not met."""
    found = []
    for one in metadata.fields:
        if not one.get("nullable", True):
            told = f"[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: {one['name']}."
            found.append((f"{_quoted(one['name'])} IS NOT NULL", _text(told)))
        said = one.get("metadata") or {}
        if LENGTH in said:
            length = said[LENGTH].partition("(")[2].rstrip(")")
            told = f"[DELTA_EXCEED_CHAR_VARCHAR_LIMIT] A value of {one['name']} exceeds {said[LENGTH]}."
            found.append((f"coalesce(char_length({_quoted(one['name'])}) <= {length}, true)", _text(told)))
        expression = said.get(GENERATED)
        if expression is not None:
            condition = f"{_quoted(one['name'])} <=> ({expression})"
            found.append((condition, _violated("Generated Column", condition, [one["name"]])))
    for key, condition in metadata.properties.items():
        if key.startswith(CONSTRAINT):
            used = [name for name in metadata.columns if _mentions(condition, name)]
            found.append((condition, _violated(key.removeprefix(CONSTRAINT), condition, used)))
    return found


def guarded(names: Sequence[str], conditions: Sequence[tuple[str, str]]) -> list[str]:
    """Columns as they are, the first of them failing on a row that meets not all conditions."""
    if not conditions or not names:
        return [_quoted(name) for name in names]
    cases = " ".join(f"WHEN ({condition}) IS NOT TRUE THEN raise_error({told})" for condition, told in conditions)
    first = _quoted(names[0])
    return [f"CASE {cases} ELSE {first} END AS {first}", *[_quoted(name) for name in names[1:]]]


def _violated(name: str, condition: str, used: Sequence[str]) -> str:
    told = _text(
        f"[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint {name} ({condition}) violated by row with values:"
    )
    values = [f"{_text(f' - {one} : ')}, coalesce(CAST({_quoted(one)} AS STRING), 'null')" for one in used]
    return f"concat({', '.join([told, *values])})"


def _mentions(condition: str, name: str) -> bool:
    from dbutils_local.sql.scan import Kind, bare, code

    return any(token.kind is Kind.NAME and bare(token.text).lower() == name.lower() for token in code(condition))


def numbered(metadata: Metadata, names: Sequence[str]) -> list[str]:
    """All columns, the empty places of identity columns filled with the next numbers."""
    found = []
    for one in metadata.fields:
        name = _quoted(one["name"])
        if one["name"] not in names:
            found.append(name)
            continue
        start, step = next_number(one), int(one["metadata"][STEP])
        order = "ORDER BY monotonically_increasing_id()"
        row = f"row_number() OVER (PARTITION BY {name} IS NULL {order})"
        found.append(f"CAST(coalesce({name}, {start} + {step} * ({row} - 1)) AS BIGINT) AS {name}")
    return found


def next_number(one: Mapping[str, Any]) -> int:
    """The next number of an identity column."""
    metadata = one["metadata"]
    return int(metadata[MARK]) + int(metadata[STEP]) if MARK in metadata else int(metadata[START])


def counted_on(metadata: Metadata, names: Sequence[str], rows: int) -> Metadata:
    """The table after `rows` numbers were given out."""
    if not names or not rows:
        return metadata
    fields: list[Mapping[str, Any]] = []
    one: Mapping[str, Any]
    for one in metadata.fields:
        if one["name"] in names:
            mark = next_number(one) + int(one["metadata"][STEP]) * (rows - 1)
            one = {**one, "metadata": {**one["metadata"], MARK: mark}}
        fields.append(one)
    return metadata.with_fields(fields)


def identities(metadata: Metadata) -> list[str]:
    """The columns that number rows."""
    return [one["name"] for one in metadata.fields if START in (one.get("metadata") or {})]


# --- words ----------------------------------------------------------------------------------------------------------


def _mismatch(metadata: Metadata, given: Sequence[Mapping[str, Any]], sql_type: SqlType) -> str:
    return (
        f"A schema mismatch detected when writing to the Delta table (Table ID: {metadata.id}).\n"
        "To enable schema migration using DataFrameWriter or DataStreamWriter, please set:\n"
        '\'.option("mergeSchema", "true")\'.\n'
        "For other operations, set the session configuration\n"
        'spark.databricks.delta.schema.autoMerge.enabled to "true". See the documentation\n'
        "specific to the operation for details.\n\n"
        f"Table schema:\n{_tree(metadata.fields)}\n\nData schema:\n{_tree(given)}"
    )


def _tree(fields: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for one in fields:
        kind = one["type"] if isinstance(one["type"], str) else one["type"].get("type")
        lines.append(f"-- {one['name']}: {kind} (nullable = {str(one.get('nullable', True)).lower()})")
    return "root\n" + "\n".join(lines)


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fields_of(frame: Any) -> list[dict[str, Any]]:
    """A frame's columns as Spark's JSON says them."""
    found: list[dict[str, Any]] = json.loads(frame._jdf.schema().json())["fields"]
    return found
