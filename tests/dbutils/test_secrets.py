"""The secret store: a file for the owner's eyes, the environment before it."""

from __future__ import annotations

import os
import stat
import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.errors import AlreadyExists, MissingExtra, NotFound, UserError
from dbutils_local.secrets import FileStore, Vault, open_store, redactor, variable
from dbutils_local.settings import Settings


@pytest.fixture
def store(tmp_path):
    store = FileStore(tmp_path / "home" / "secrets.toml")
    store.create_scope("prod")
    return store


def test_what_is_written_is_read_again(store):
    store.write("prod", "key", b"value")
    assert store.read("prod", "key") == b"value"
    assert store.keys("prod") == ["key"]


@given(value=st.binary(max_size=40))
def test_any_bytes_survive(tmp_path_factory, value):
    store = FileStore(tmp_path_factory.mktemp("s") / "secrets.toml")
    store.create_scope("s")
    store.write("s", "k", value)
    assert store.read("s", "k") == value


@given(value=st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_text_survives(tmp_path_factory, value):
    store = FileStore(tmp_path_factory.mktemp("s") / "secrets.toml")
    store.create_scope("s")
    store.write("s", "k", value.encode())
    assert store.read("s", "k") == value.encode()


@pytest.mark.skipif(os.name != "posix", reason="file modes are a POSIX thing")
def test_the_file_is_for_the_owner_only(store, tmp_path):
    path = tmp_path / "home" / "secrets.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    with pytest.raises(UserError, match=r"can be read by other users.*chmod 600"):
        store.read("prod", "key")


def test_a_scope_is_made_once(store):
    with pytest.raises(AlreadyExists, match="Scope prod already exists"):
        store.create_scope("prod")


@pytest.mark.parametrize("name", ["", "with space", "a/b", "x" * 129])
def test_names_follow_databricks_rule(store, name):
    with pytest.raises(UserError, match="may hold only letters"):
        store.create_scope(name)


def test_removing(store):
    store.write("prod", "key", b"v")
    store.remove("prod", "key")
    assert store.read("prod", "key") is None
    with pytest.raises(NotFound):
        store.remove("prod", "key")
    store.remove_scope("prod")
    assert store.scopes() == []
    with pytest.raises(NotFound, match="Scope prod does not exist"):
        store.write("prod", "key", b"v")


def test_a_broken_file_is_named(store, tmp_path):
    path = tmp_path / "home" / "secrets.toml"
    path.write_text("[prod\n")
    with pytest.raises(UserError, match=r"secrets\.toml"):
        store.scopes()


def test_a_value_outside_a_scope_is_named(store, tmp_path):
    (tmp_path / "home" / "secrets.toml").write_text('lonely = "x"\n')
    with pytest.raises(UserError, match="'lonely' stands outside a scope"):
        store.scopes()


def test_the_environments_name_of_a_secret():
    assert variable("my-scope", "db.pass") == "DBUTILS_LOCAL_SECRET__MY_SCOPE__DB_PASS"


def test_the_vault_merges_environment_and_store(store):
    store.write("prod", "stored", b"s")
    vault = Vault(store, {variable("prod", "given"): "g", variable("ci", "only"): "o"})
    assert vault.scopes() == ["ci", "prod"]
    assert vault.keys("prod") == ["given", "stored"]
    assert vault.read("prod", "given") == b"g"
    assert sorted(vault.values()) == ["g", "o", "s"]


def test_a_redactor_of_all_secrets(store, tmp_path):
    store.write("prod", "key", b"hunter2")
    assert redactor(Settings(home=tmp_path / "home"), {}).redact("x hunter2") == "x [REDACTED]"


def test_an_unknown_store_is_refused(tmp_path):
    with pytest.raises(UserError, match="secret_store is 'nonsense'"):
        open_store(Settings(home=tmp_path, secret_store="nonsense"))


class Ring(ModuleType):
    """A keyring that keeps passwords in memory: the three functions of the real package that are used."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, password: str) -> None:
        self.kept[service, name] = password

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


def test_a_keyring_holds_the_values_and_the_file_only_their_names(tmp_path, monkeypatch):
    ring = Ring()
    monkeypatch.setitem(sys.modules, "keyring", ring)
    store = open_store(Settings(home=tmp_path, secret_store="keyring"))
    store.create_scope("s")
    store.write("s", "k", b"hunter2\xff")
    assert store.read("s", "k") == b"hunter2\xff"
    assert (store.scopes(), store.keys("s")) == (["s"], ["k"])
    assert "hunter2" not in (tmp_path / "secrets.toml").read_text()
    store.remove_scope("s")
    assert ring.kept == {}
    assert store.scopes() == []


def test_without_the_keyring_package_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingExtra, match=r"dbutils-local\[keyring\]"):
        open_store(Settings(home=tmp_path, secret_store="keyring"))
