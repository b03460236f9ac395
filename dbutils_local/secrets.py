"""Where secrets are kept: scopes of named values in a file only the owner can read, a keyring, or the environment.

The file is `<home>/secrets.toml`, mode 0600. Setting `secret_store = "keyring"` keeps the values in the system's
keyring and only their names in the file; any other word is looked up among the entry points of group
`dbutils_local.secret_stores`. The environment goes before all of them, for CI: secret `db-pass` of scope `prod` is
`DBUTILS_LOCAL_SECRET__PROD__DB_PASS` (upper case, every other character an underscore).
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from dbutils_local.errors import AlreadyExists, MissingExtra, NotFound, UserError
from dbutils_local.redaction import Redactor
from dbutils_local.settings import Settings

PREFIX: Final = "DBUTILS_LOCAL_SECRET__"
ENTRY_POINTS: Final = "dbutils_local.secret_stores"
# Databricks' rule for the names of scopes and keys.
_NAME: Final = re.compile(r"[A-Za-z0-9_.@-]{1,128}")

Scopes = dict[str, dict[str, Any]]


class SecretStore(Protocol):
    """A place for secrets; an entry point of the group is called with the settings and gives one."""

    def scopes(self) -> list[str]:
        """The scopes' names."""
        ...

    def keys(self, scope: str) -> list[str]:
        """The keys of a scope; NotFound if there is no such scope."""
        ...

    def read(self, scope: str, key: str) -> bytes | None:
        """A secret, or None."""
        ...

    def create_scope(self, scope: str) -> None:
        """Make an empty scope; AlreadyExists."""
        ...

    def write(self, scope: str, key: str, value: bytes) -> None:
        """Keep a secret; NotFound if there is no such scope."""
        ...

    def remove(self, scope: str, key: str) -> None:
        """Forget a secret; NotFound."""
        ...

    def remove_scope(self, scope: str) -> None:
        """Forget a scope with all in it; NotFound."""
        ...


class FileStore:
    """Scopes as tables of a TOML file: text as a string, other bytes as `{base64 = "..."}`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def scopes(self) -> list[str]:
        """The scopes' names."""
        return sorted(self._load())

    def keys(self, scope: str) -> list[str]:
        """The keys of a scope."""
        return sorted(_scope(self._load(), scope))

    def read(self, scope: str, key: str) -> bytes | None:
        """A secret, or None."""
        return _decoded(self._load().get(scope, {}).get(key))

    def create_scope(self, scope: str) -> None:
        """Make an empty scope."""
        tables = self._load()
        if scope in tables:
            raise AlreadyExists(f"Scope {scope} already exists!")
        self._save(tables | {_checked("scope", scope): {}})

    def write(self, scope: str, key: str, value: bytes) -> None:
        """Keep a secret."""
        tables = self._load()
        _scope(tables, scope)[_checked("key", key)] = _encoded(value)
        self._save(tables)

    def remove(self, scope: str, key: str) -> None:
        """Forget a secret."""
        tables = self._load()
        if _scope(tables, scope).pop(key, None) is None:
            raise NotFound(f"No secret {key!r} in scope {scope!r}")
        self._save(tables)

    def remove_scope(self, scope: str) -> None:
        """Forget a scope."""
        tables = self._load()
        _scope(tables, scope)
        del tables[scope]
        self._save(tables)

    def _load(self) -> Scopes:
        import tomllib

        try:
            mode = self._path.stat().st_mode
        except FileNotFoundError:
            return {}
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise UserError(f"{self._path} can be read by other users (mode {stat.S_IMODE(mode):04o}): chmod 600 it")
        try:
            tables = tomllib.loads(self._path.read_text("utf-8"))
        except ValueError as error:
            raise UserError(f"{self._path}: {error}") from error
        wrong = next((name for name, table in tables.items() if not isinstance(table, dict)), None)
        if wrong is not None:
            raise UserError(f"{self._path}: {wrong!r} stands outside a scope: write [scope] above it")
        return tables

    def _save(self, tables: Scopes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(_toml(tables))
        os.replace(beside, self._path)


def _scope(tables: Scopes, scope: str) -> dict[str, Any]:
    if scope not in tables:
        raise NotFound(f"Scope {scope} does not exist!")
    return tables[scope]


def _checked(what: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UserError(f"the {what} name {name!r} may hold only letters, digits and _ . @ -, at most 128 of them")
    return name


def _encoded(value: bytes) -> Any:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode("ascii")}


def _decoded(kept: Any) -> bytes | None:
    match kept:
        case str():
            return kept.encode("utf-8")
        case {"base64": str(text)}:
            return base64.b64decode(text)
        case _:
            return None


def _toml(tables: Scopes) -> str:
    lines = ["# Secrets of dbutils-local; written by `dbutils-local secrets`. Keep the mode at 0600."]
    for scope, table in sorted(tables.items()):
        lines += ["", f"[{_quoted(scope)}]"]
        lines += [f"{_quoted(key)} = {_toml_value(value)}" for key, value in sorted(table.items())]
    return "\n".join(lines) + "\n"


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml_value(part)}" for name, part in value.items()) + " }"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL, which TOML wants escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class KeyringStore:
    """Values in the system's keyring; only the names are in the file, because a keyring cannot list."""

    def __init__(self, path: Path) -> None:
        try:
            import keyring
        except ImportError as error:
            raise MissingExtra('secret_store = "keyring"', "keyring") from error
        self._keyring = keyring
        self._names = FileStore(path)

    def scopes(self) -> list[str]:
        """The scopes' names."""
        return self._names.scopes()

    def keys(self, scope: str) -> list[str]:
        """The keys of a scope."""
        return self._names.keys(scope)

    def read(self, scope: str, key: str) -> bytes | None:
        """A secret, or None."""
        kept = self._keyring.get_password(_service(scope), key)
        return None if kept is None else base64.b64decode(kept)

    def create_scope(self, scope: str) -> None:
        """Make an empty scope."""
        self._names.create_scope(scope)

    def write(self, scope: str, key: str, value: bytes) -> None:
        """Keep a secret."""
        self._names.write(scope, key, b"")
        self._keyring.set_password(_service(scope), key, base64.b64encode(value).decode("ascii"))

    def remove(self, scope: str, key: str) -> None:
        """Forget a secret."""
        self._names.remove(scope, key)
        self._keyring.delete_password(_service(scope), key)

    def remove_scope(self, scope: str) -> None:
        """Forget a scope."""
        for key in self.keys(scope):
            self.remove(scope, key)
        self._names.remove_scope(scope)


def _service(scope: str) -> str:
    return f"dbutils-local/{scope}"


class Vault:
    """What is read: the environment's secrets over those of the store."""

    def __init__(self, store: SecretStore, environ: Mapping[str, str]) -> None:
        self.store = store
        self._environ = {name: value for name, value in environ.items() if name.startswith(PREFIX)}

    @classmethod
    def open(cls, settings: Settings, environ: Mapping[str, str] | None = None) -> Vault:
        """The vault the settings name."""
        return cls(open_store(settings), os.environ if environ is None else environ)

    def read(self, scope: str, key: str) -> bytes | None:
        """A secret, or None."""
        given = self._environ.get(variable(scope, key))
        return self.store.read(scope, key) if given is None else given.encode("utf-8")

    def scopes(self) -> list[str]:
        """Every scope; one known from the environment alone is shown in lower case."""
        stored = self.store.scopes()
        known = {_upper(scope) for scope in stored}
        return sorted({*stored, *(scope.lower() for scope, _ in self._given() if scope not in known)})

    def keys(self, scope: str) -> list[str]:
        """The keys of a scope; NotFound if nothing knows it."""
        given = [key for name, key in self._given() if name == _upper(scope)]
        if not given:
            return self.store.keys(scope)
        stored = self.store.keys(scope) if scope in self.store.scopes() else []
        known = {_upper(key) for key in stored}
        return sorted({*stored, *(key.lower() for key in given if key not in known)})

    def _given(self) -> Iterator[tuple[str, str]]:
        for name in self._environ:
            scope, separator, key = name.removeprefix(PREFIX).partition("__")
            if separator and scope and key:
                yield scope, key

    def values(self) -> Iterator[str]:
        """Every secret as text, for a redactor; bytes that are no text cannot be printed as such and are left out."""
        yield from self._environ.values()
        for scope in self.store.scopes():
            for key in self.store.keys(scope):
                value = self.store.read(scope, key)
                if value is not None:
                    yield value.decode("utf-8", "ignore")


def redactor(settings: Settings, environ: Mapping[str, str] | None = None) -> Redactor:
    """A redactor that knows every secret there is: for logs, which may hold what any process has printed."""
    return Redactor(Vault.open(settings, environ).values())


def variable(scope: str, key: str) -> str:
    """The environment variable that holds this secret."""
    return f"{PREFIX}{_upper(scope)}__{_upper(key)}"


def _upper(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def open_store(settings: Settings) -> SecretStore:
    """The store that setting `secret_store` names."""
    path = settings.home / "secrets.toml"
    match settings.secret_store:
        case "file":
            return FileStore(path)
        case "keyring":
            return KeyringStore(path)
        case name:
            return _plugged_in(name, settings)


def _plugged_in(name: str, settings: Settings) -> SecretStore:
    from importlib.metadata import entry_points

    for found in entry_points(group=ENTRY_POINTS, name=name):
        store: SecretStore = found.load()(settings)
        return store
    raise UserError(
        f"setting secret_store is {name!r}; it can be file, keyring, or an entry point of group {ENTRY_POINTS}"
    )
