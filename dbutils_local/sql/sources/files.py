"""Files as tables: a Databricks format, its options and a list of files as one DuckDB query."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from dbutils_local.errors import NotSupportedHere, UserError
from dbutils_local.sql.expressions import patterns
from dbutils_local.sql.expressions.casts import try_cast_text
from dbutils_local.sql.names import ident
from dbutils_local.sql.scan import quote

Columns = Sequence[tuple[str, str]]

FORMATS = frozenset({"csv", "json", "parquet", "text", "binaryfile", "delta", "orc", "avro", "xml", "excel"})

# Options that say how Spark should work, not what the rows are.
_WITHOUT_EFFECT = frozenset(
    {
        "mergeschema",
        "recursivefilelookup",
        "maxfilesbytespertrigger",
        "ignoremissingfiles",
        "inferschemaonread",
        "samplesize",
        "samplingratio",
    }
)


def reader(
    kind: str, files: Sequence[str], options: Mapping[str, str], schema: Columns | None = None, infer: bool = False
) -> str:
    """A DuckDB SELECT over `files`; `schema`: pairs of name and DuckDB type, `infer`: the default of inferSchema."""
    name = kind.lower()
    if name not in _READERS:
        raise NotSupportedHere(
            f"files of format {kind} cannot be read by the embedded SQL engine; it reads {', '.join(sorted(_READERS))}"
            + (" (Delta needs sql_engine = spark with the Delta jars)" if name == "delta" else "")
        )
    if not files:
        raise UserError("[PATH_NOT_FOUND] there is no file to read")
    return _READERS[name](_list(files), {key.lower(): value for key, value in options.items()}, schema, infer)


def _list(files: Sequence[str]) -> str:
    return "[" + ", ".join(quote(file) for file in files) + "]"


def _true(options: Mapping[str, str], name: str, default: bool = False) -> bool:
    return options.get(name, str(default)).lower() == "true"


def _check(kind: str, options: Mapping[str, str], known: Sequence[str]) -> None:
    for name in options:
        if name not in known and name not in _WITHOUT_EFFECT:
            raise NotSupportedHere(
                f"the {kind} option {name!r} is not known to the embedded SQL engine; it knows {', '.join(known)}"
            )


_CSV = (
    *(
        "header",
        "sep",
        "delimiter",
        "quote",
        "escape",
        "comment",
        "multiline",
        "mode",
        "skiprows",
        "encoding",
        "charset",
    ),
    *("inferschema", "nullvalue", "dateformat", "timestampformat"),
)


def _csv(files: str, options: Mapping[str, str], schema: Columns | None, infer: bool) -> str:
    _check("csv", options, _CSV)
    _only_utf8(options)
    header, mode = _true(options, "header"), options.get("mode", "").upper()
    permissive = schema is not None and mode not in ("FAILFAST", "DROPMALFORMED")
    arguments = [
        f"header = {str(header).lower()}",
        f"delim = {quote(_escaped(options.get('sep', options.get('delimiter', ','))))}",
        f"quote = {quote(options.get('quote', chr(34)))}",
        f"escape = {quote(options.get('escape', options.get('quote', chr(34))))}",
        *(() if mode == "FAILFAST" else ("null_padding = true", "strict_mode = false")),
        "union_by_name = true" if header else "",
        f"comment = {quote(options['comment'])}" if "comment" in options else "",
        f"nullstr = {quote(options['nullvalue'])}" if "nullvalue" in options else "",
        f"skip = {int(options['skiprows'])}" if "skiprows" in options else "",
        "ignore_errors = true" if mode == "DROPMALFORMED" else "",
    ]
    if schema is not None:
        read = [(name, "VARCHAR" if permissive else kind) for name, kind in schema]
        arguments.append(f"columns = {{{_columns_argument(read)}}}, auto_detect = false")
    elif not _true(options, "inferschema", infer):
        arguments.append("all_varchar = true")
    formats = {name: _strptime(options[name]) for name in ("dateformat", "timestampformat") if name in options}
    arguments += [f"{name} = {quote(text)}" for name, text in formats.items() if not permissive]
    source = f"read_csv({files}, {', '.join(part for part in arguments if part)})"
    if permissive and schema is not None:
        return f"SELECT {', '.join(_lenient(name, kind, formats) for name, kind in schema)} FROM {source}"
    return f"SELECT {'*' if header or schema else _NUMBERED} FROM {source}"


_NUMBERED = "COLUMNS('column0*(\\d+)') AS \"_c\\1\""


def _lenient(name: str, kind: str, formats: Mapping[str, str]) -> str:
    """A column whose text becomes NULL where it is no value of its type: mode PERMISSIVE, the default."""
    column = ident(name)
    form = formats.get("dateformat" if kind == "DATE" else "timestampformat")
    if kind in ("DATE", "TIMESTAMP") and form is not None:
        value = f"CAST(try_strptime({column}, {quote(form)}) AS {kind})"
    else:
        value = try_cast_text(column, kind)
    return f"{value} AS {column}"


def _escaped(text: str) -> str:
    return {"\\t": "\t", "\\u0001": "\x01"}.get(text, text)


def _only_utf8(options: Mapping[str, str]) -> None:
    encoding = options.get("encoding", options.get("charset", "utf-8"))
    if encoding.lower().replace("_", "-") not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise NotSupportedHere(f"CSV files in {encoding} cannot be read by the embedded SQL engine, only UTF-8")


def _strptime(pattern: str) -> str:
    """A Java date pattern as DuckDB's."""
    return patterns.read(pattern)


def _json(files: str, options: Mapping[str, str], schema: Columns | None, infer: bool) -> str:
    _check("json", options, ("multiline", "inferschema", "mode", "dateformat", "timestampformat"))
    formats = [
        f"{name} = {quote(_strptime(options[name]))}" for name in ("dateformat", "timestampformat") if name in options
    ]
    shape = "".join(f", {part}" for part in formats)
    shape += f", columns = {{{_columns_argument(schema)}}}" if schema else ""
    return f"SELECT * FROM read_json({files}, union_by_name = true, map_inference_threshold = -1{shape})"


def _parquet(files: str, options: Mapping[str, str], schema: Columns | None, infer: bool) -> str:
    _check("parquet", options, ("inferschema"))
    partitioned = "=" in files
    return (
        f"SELECT * FROM read_parquet({files}, union_by_name = "
        f"true{', hive_partitioning = true' if partitioned else ''})"
    )


def _text(files: str, options: Mapping[str, str], schema: Columns | None, infer: bool) -> str:
    _check("text", options, ("wholetext", "linesep"))
    if _true(options, "wholetext"):
        return f"SELECT content AS value FROM read_text({files})"
    lines = "unnest(string_split(regexp_replace(replace(content, chr(13) || chr(10), chr(10)), '\\n$', ''), chr(10)))"
    return f"SELECT {lines} AS value FROM read_text({files}) WHERE content <> ''"


def _binary(files: str, options: Mapping[str, str], schema: Columns | None, infer: bool) -> str:
    return (
        f'SELECT filename AS path, last_modified AS "modificationTime", size AS length, content FROM read_blob({files})'
    )


_READERS: dict[str, Callable[[str, Mapping[str, str], Columns | None, bool], str]] = {
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
    "text": _text,
    "binaryfile": _binary,
}


def _columns_argument(columns: Columns) -> str:
    """DuckDB's `columns = {...}` content."""
    return ", ".join(f"{ident(name)}: {quote(kind)}" for name, kind in columns)


def data_files(path: Path) -> Iterator[Path]:
    """The files Spark would read at `path`: the file, those a pattern meets, or all below a folder but hidden ones."""
    if path.is_file():
        yield path
    elif any(sign in str(path) for sign in "*?[{"):
        anchor = Path(path.anchor or ".")
        for found in sorted(anchor.glob(str(path.relative_to(anchor)))):
            yield from data_files(found)
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and not any(part.startswith(("_", ".")) for part in file.relative_to(path).parts):
                yield file
