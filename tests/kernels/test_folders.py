"""Temporary folders: gone with their owner, at the latest when the next process starts."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dbutils_local.kernels import folders

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is swept on Windows")

OWNER = """
import sys, time
from dbutils_local.kernels import folders
folder = folders.make()
(folder / "birth.json").write_text("{}")
print(folder, flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path_factory, monkeypatch):
    """A temporary folder of our own, with a short name."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        monkeypatch.setenv("TMPDIR", name)
        monkeypatch.setattr(tempfile, "tempdir", name)
        folders.sweep.cache_clear()
        yield Path(name)
    folders.sweep.cache_clear()


@pytest.fixture
def owner(place):
    """Another process with a folder, and that folder."""
    process = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True)
    with process.stdout as said:
        yield process, Path(said.readline().strip())
    process.kill()
    process.wait()


def test_what_a_killed_process_left_is_removed_by_the_next(owner):
    process, folder = owner
    process.kill()
    process.wait()
    assert (folder / "birth.json").exists()
    folders.sweep()
    assert not folder.exists()


def test_what_a_living_process_has_stays(owner, place):
    _, folder = owner
    ours = folders.make()
    folders.sweep()
    assert sorted(place.iterdir()) == sorted([folder, ours])
    folders.remove(ours)
    assert list(place.iterdir()) == [folder]


def test_a_process_looks_once(owner):
    folders.sweep()
    process, folder = owner
    process.kill()
    process.wait()
    folders.sweep()
    assert folder.exists()


def test_what_is_not_a_folder_of_this_user_stays(place):
    (place / "real").mkdir()
    (place / f"{folders.PREFIX}link").symlink_to(place / "real")
    (place / f"{folders.PREFIX}file").write_text("")
    (place / "other").mkdir()
    before = {path.name for path in place.iterdir()}
    if os.geteuid() == 0:
        foreign = place / f"{folders.PREFIX}foreign"
        foreign.mkdir()
        os.chown(foreign, 12345, -1)
        before.add(foreign.name)
    folders.sweep()
    assert {path.name for path in place.iterdir()} == before


def test_a_folder_for_a_block_is_private_and_goes_with_it(place):
    with folders.private() as folder:
        assert folder.parent == place
        assert folder.stat().st_mode & 0o077 == 0
        with folders.private(folder) as inner:
            assert inner.parent == folder
    assert list(place.iterdir()) == []


def test_a_folder_that_is_gone_before_its_block_ends_is_no_trouble(place):
    with folders.private() as folder:
        folder.rmdir()
    assert not folder.exists()


def test_no_descriptor_is_left_of_folders_that_are_gone(place):
    before = len(os.listdir("/dev/fd"))
    for _ in range(5):
        with folders.private():
            pass
    assert len(os.listdir("/dev/fd")) == before


def test_a_long_temporary_folder_is_passed_by(place, monkeypatch):
    long = place / ("x" * 80)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = folders.make()
    assert folder.parent == Path("/tmp")
    folders.remove(folder)
    assert list(long.iterdir()) == []
