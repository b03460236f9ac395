"""Readers and writers of frames: what notebooks tell them goes to Spark, or to the Delta tables it cannot do itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlparse

from dbutils_local.errors import NotSupportedHere
from dbutils_local.spark.delta import autoload, frames, streams
from dbutils_local.spark.delta.commands import Delta
from dbutils_local.spark.delta.faults import analysis
from dbutils_local.spark.delta.frames import Told, told

Original = Callable[..., Any]
Args = tuple[Any, ...]
Named = dict[str, Any]

_PATH_OPTIONS: Final = frozenset({"path", "checkpointlocation", "badrecordspath", "cloudfiles.schemalocation"})


class Ground(Protocol):
    """What a session's surface gives to readers and writers; `tables` is None where Spark has Delta itself."""

    tables: Delta | None

    def local(self, path: str) -> str:
        """A Databricks path as Spark opens it here."""

    def dotted(self, name: str) -> str:
        """A table's name as Spark knows it."""

    def absorb(self) -> None:
        """Take over what other sessions did."""

    def publish(self) -> None:
        """Tell other sessions what this one did."""


# --- what builders are told ------------------------------------------------------------------------------------------


def around_format(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.format(name)`: what Spark alone does not know is kept for the moment of reading or writing."""
    name = args[0] if args else kwargs.get("source")
    if not isinstance(name, str) or ground.tables is None:
        return original(self, *args, **kwargs)
    told(self).format = name.lower()
    return original(self, "parquet" if name.lower() in ("delta", "cloudfiles") else name)


def around_option(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.option(key, value)`."""
    key, value = (*args, kwargs.get("value"))[:2] if args else (kwargs.get("key"), kwargs.get("value"))
    return original(self, key, _option(ground, self, str(key), value))


def around_options(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.options(**all)`."""
    return original(self, *args, **{key: _option(ground, self, key, value) for key, value in kwargs.items()})


def _option(ground: Ground, builder: Any, key: str, value: Any) -> Any:
    if key.lower() in _PATH_OPTIONS and isinstance(value, str):
        told(builder).options[key.lower()] = value
        return ground.local(value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    told(builder).options[key.lower()] = text
    return value


def around_schema(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.schema(columns)` of a stream."""
    given = args[0] if args else kwargs["schema"]
    if ground.tables is not None:
        self._dbutils_local_schema = given.json() if hasattr(given, "json") else ground.tables.schema_of(given)
    return original(self, *args, **kwargs)


def around_mode(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.mode(how)`."""
    mode = args[0] if args else kwargs.get("saveMode")
    if mode:
        told(self).mode = mode.lower()
    return original(self, *args, **kwargs)


def around_output_mode(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.outputMode(how)` of a stream."""
    told(self).output = str(args[0] if args else kwargs["outputMode"]).lower()
    return original(self, *args, **kwargs)


def around_partition(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.partitionBy(...)`, kept back until the format is known: Delta leaves columns where they are in the rows."""
    if ground.tables is None:
        return original(self, *args, **kwargs)
    told(self).held = (original, (args, kwargs))
    return self


def around_cluster(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.clusterBy(...)`: where the rows lie, which changes no result."""
    return original(self, *args, **kwargs) if ground.tables is None else self


def around_property(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.tableProperty(key, value)` of `writeTo`."""
    key, value = args if len(args) == 2 else (kwargs["property"], kwargs["value"])
    told(self).properties[key] = value
    return original(self, *args, **kwargs)


def around_using(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.using(format)` of `writeTo`."""
    told(self).format = str(args[0] if args else kwargs["provider"]).lower()
    return original(self, *args, **kwargs)


def around_write_to(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`df.writeTo(name)`."""
    name = ground.dotted(args[0] if args else kwargs["table"])
    builder = original(self, name)
    told(builder).table = name
    return builder


# --- reading ----------------------------------------------------------------------------------------------------------


def around_load(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`spark.read.load(path)` and the readers of one format."""
    path, form = _asked_path(ground, self, args, kwargs)
    if ground.tables is None or not isinstance(path, str):
        return None
    asked = told(self)
    name = original.__name__
    form = (form or asked.format) if name == "load" else name
    _note_options(self, kwargs)
    if form == "delta" or (form is None and _is_delta(ground, path)):
        ground.absorb()
        return frames.load(ground.tables, self, path)
    if form in ("parquet", "csv", "json", "orc", "text"):
        _refuse_other_format(ground, path, form, "read from")
    return None


def _asked_path(ground: Ground, builder: Any, args: Args, kwargs: Named) -> tuple[Any, str | None]:
    form = kwargs.get("format", args[1] if len(args) > 1 and isinstance(args[1], str) else None)
    path = args[0] if args else kwargs.get("path", told(builder).options.get("path"))
    if isinstance(path, list | tuple) and len(path) == 1:
        path = path[0]
    return path, form.lower() if isinstance(form, str) else None


def _note_options(builder: Any, kwargs: Mapping[str, Any]) -> None:
    told(builder).options.update(
        {key.lower(): str(value) for key, value in kwargs.items() if isinstance(value, str | int | bool)}
    )


def _is_delta(ground: Ground, path: str) -> bool:
    local = ground.local(path)
    place = Path(unquote(urlparse(local).path)) if local.startswith("file:") else Path(local)
    return (place / "_delta_log").is_dir()


def _refuse_other_format(ground: Ground, path: str, form: str, what: str) -> None:
    if _is_delta(ground, path):
        raise analysis(
            f"[DELTA_INVALID_FORMAT] Incompatible format detected.\n\nA transaction log for Delta was found at `{path}/"
            f'_delta_log`, but you are trying to {what} `{path}` using format("{form}"). You must use format("delta") '
            "when reading and writing to a delta table."
        )


def around_read_table(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`spark.table(name)` and `spark.read.table(name)`."""
    name = args[0] if args else kwargs["tableName"]
    if ground.tables is None or not isinstance(name, str):
        return None
    session, asked = (self, None) if hasattr(self, "_jsparkSession") else (self._spark, told(self))
    return frames.read_table(ground.tables, session, name, asked)


def around_collect(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.collect()`: a frame that was collected before a Delta table changed has a plan with files that went."""
    try:
        return original(self, *args, **kwargs)
    except Exception as error:
        if "FILE_NOT_EXIST" not in str(error) or "/live.parquet/" not in str(error):
            raise
    return original(self.select("*"), *args, **kwargs)


# --- writing ----------------------------------------------------------------------------------------------------------


def around_save(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> bool:
    """`df.write.save(path)` and the writers of one format; whether it was done."""
    if ground.tables is None:
        return False
    path = args[0] if args else kwargs.get("path", told(self).options.get("path"))
    form = _settle(ground, original.__name__, self, args, kwargs)
    if form != "delta":
        if isinstance(path, str):
            _refuse_other_format(ground, path, form, "write to")
        return False
    if not isinstance(path, str):
        raise analysis("[DELTA_MISSING_PATH] save() of a Delta table needs a path.")
    frames.save(ground.tables, self, path)
    return True


def _settle(ground: Ground, name: str, writer: Any, args: Args, kwargs: Named) -> str:
    """Note what a call says beside its first argument, and give Spark the partitioning if the table is not Delta's."""
    asked = told(writer)
    form, mode, by = _arguments(name, args, kwargs)
    if isinstance(mode, str):
        asked.mode = mode.lower()
    if by:
        asked.held = (type(writer).partitionBy, (([by] if isinstance(by, str) else list(by),), {}))
    found = form.lower() if isinstance(form, str) else asked.format or "delta"
    if name not in ("save", "saveAsTable"):
        found = name
    if found == "delta":
        _note_options(writer, {key: value for key, value in kwargs.items() if key not in _NO_OPTIONS})
    elif asked.held is not None and not by:
        original, (held, named) = asked.held
        original(writer, *held, **named)
    return found


_NO_OPTIONS: Final = ("path", "name", "format", "mode", "partitionBy")


def _arguments(name: str, args: Args, kwargs: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """The format, mode and partitioning of a call, by position or by name."""
    if name in ("save", "saveAsTable"):
        padded = (*args, None, None, None, None)
        given = dict(zip(("format", "mode", "partitionBy"), padded[1:4], strict=True))
    else:
        given = {"format": None, "mode": args[1] if len(args) > 1 else None, "partitionBy": None}
    return tuple(kwargs.get(key, given[key]) for key in ("format", "mode", "partitionBy"))


def around_save_as_table(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> bool:
    """`df.write.saveAsTable(name)`; whether it was done. A table that is replaced by one of files goes first."""
    if ground.tables is None:
        return False
    name = ground.dotted(args[0] if args else kwargs["name"])
    if _settle(ground, original.__name__, self, args, kwargs) == "delta":
        frames.save_as_table(ground.tables, self, name)
        return True
    if told(self).mode == "overwrite":
        ground.tables.make_room(name)
    return False


def around_insert_into(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> bool:
    """`df.write.insertInto(name)`; whether it was done."""
    if ground.tables is None:
        return False
    name = ground.dotted(args[0] if args else kwargs["tableName"])
    overwrite = args[1] if len(args) > 1 else kwargs.get("overwrite")
    return frames.insert_into(ground.tables, self, name, overwrite)


def around_v2(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> bool:
    """The actions of `df.writeTo(name)`; whether it was done."""
    if ground.tables is None:
        return False
    condition = args[0] if args else kwargs.get("condition")
    done = frames.write_to(ground.tables, self, original.__name__, condition)
    held = told(self).held
    if not done and held is not None:
        held[0](self, *held[1][0], **held[1][1])
    return done


# --- streams ----------------------------------------------------------------------------------------------------------


def around_stream_load(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any | None:
    """`spark.readStream.load(path)`; None for what Spark does itself."""
    if ground.tables is None:
        return None
    path, form = _asked_path(ground, self, args, kwargs)
    _note_options(self, kwargs)
    form = form or told(self).format
    if not isinstance(path, str) or original.__name__ != "load":
        return None
    if form == "cloudfiles":
        return autoload.load(ground.tables, self, path)
    if form == "delta" or (form is None and _is_delta(ground, path)):
        return streams.load(ground.tables, self, path)
    return None


def around_stream_table(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any | None:
    """`spark.readStream.table(name)`; None for what Spark does itself."""
    name = args[0] if args else kwargs["tableName"]
    return None if ground.tables is None else streams.read_table(ground.tables, self, ground.dotted(name))


def around_stream_start(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any | None:
    """`df.writeStream.start(path)` and `toTable(name)`; None for what Spark does itself."""
    if ground.tables is None:
        return None
    asked = told(self)
    to_table = original.__name__ in ("toTable", "table")
    form = kwargs.get("format") or asked.format or ("delta" if to_table else None)
    if form is None and asked.options.get("path") is None and not args and "path" not in kwargs:
        return None
    if _has_sink(self) or (form or "delta").lower() != "delta":
        if asked.held is not None:
            asked.held[0](self, *asked.held[1][0], **asked.held[1][1])
        return None
    return streams.start(ground.tables, self, _target(ground, to_table, asked, args, kwargs), to_table, kwargs, ground)


def _target(ground: Ground, to_table: bool, asked: Told, args: Args, kwargs: Named) -> str:
    if to_table:
        return ground.dotted(args[0] if args else kwargs["tableName"])
    path = args[0] if args else kwargs.get("path") or asked.options.get("path")
    if not isinstance(path, str):
        raise NotSupportedHere("writeStream.format('delta').start() needs a path, or use toTable(name)")
    return path


def _has_sink(writer: Any) -> bool:
    """Whether the rows go to a function, which `foreachBatch` and `foreach` note on the writer."""
    return bool(writer.__dict__.get("_dbutils_local_sink"))


def around_sink(ground: Ground, original: Original, self: Any, args: Args, kwargs: Named) -> Any:
    """`.foreachBatch(f)` and `.foreach(f)`."""
    found = original(self, *args, **kwargs)
    self._dbutils_local_sink = True
    return found
