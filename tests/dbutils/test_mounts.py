"""`open('/dbfs/…')` and company in ordinary Python code."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from dbutils_local.dbutils import mounts
from dbutils_local.files import Files

pytestmark = pytest.mark.skipif(os.name != "posix", reason="paths below / are a POSIX thing")


@pytest.fixture
def home(tmp_path):
    mounts.install(tmp_path / "home", tmp_path)
    yield tmp_path / "home"
    mounts.uninstall()


def test_open_writes_below_the_home(home):
    os.makedirs("/dbfs/data")
    with open("/dbfs/data/x.txt", "w") as file:
        file.write("text")
    assert (home / "dbfs/data/x.txt").read_text() == "text"


def test_a_volume_is_there_to_be_written(home):
    with open("/Volumes/dbl_tests/default/raw/x.txt", "w") as file:
        file.write("text")
    assert Path("/Volumes/dbl_tests/default/raw/x.txt").read_text() == "text"
    with pytest.raises(FileNotFoundError):
        Path("/Volumes/dbl_tests/default/raw/no/such/folder.txt").write_text("text")


def test_makedirs_and_mkdir(home):
    os.makedirs("/Volumes/c/s/v/deep/er", exist_ok=True)
    os.makedirs("/Volumes/c/s/v/deep/er", exist_ok=True)
    os.mkdir("/dbfs/one")
    with pytest.raises(FileExistsError):
        os.mkdir("/dbfs/one")
    assert os.path.isdir("/Volumes/c/s/v/deep/er")
    assert os.path.isdir("/dbfs/one")


def test_the_whole_of_os_and_pathlib(home):
    folder = Path("/dbfs/tmp")
    folder.mkdir()
    (folder / "a.csv").write_text("1")
    os.rename("/dbfs/tmp/a.csv", "/dbfs/tmp/b.csv")
    shutil.copy("/dbfs/tmp/b.csv", "/dbfs/tmp/c.csv")
    assert sorted(os.listdir("/dbfs/tmp")) == ["b.csv", "c.csv"]
    assert sorted(path.name for path in folder.iterdir()) == ["b.csv", "c.csv"]
    assert sorted(glob.glob("/dbfs/tmp/*.csv")) == ["/dbfs/tmp/b.csv", "/dbfs/tmp/c.csv"]
    assert [(folder, sorted(files)) for folder, _, files in os.walk("/dbfs/tmp")] == [("/dbfs/tmp", ["b.csv", "c.csv"])]
    assert os.path.getsize("/dbfs/tmp/b.csv") == 1
    assert os.path.exists("/dbfs/tmp/b.csv")
    assert not os.path.exists("/dbfs/tmp/a.csv")
    os.remove("/dbfs/tmp/b.csv")
    shutil.rmtree("/dbfs/tmp")
    assert not folder.exists()


def test_the_roots_are_always_there(home):
    assert os.listdir("/dbfs") == []
    assert os.path.isdir("/Volumes")


def test_pandas_reads_and_writes(home):
    pandas = pytest.importorskip("pandas")
    os.makedirs("/dbfs/t")
    pandas.DataFrame({"a": [1, 2]}).to_csv("/dbfs/t/x.csv", index=False)
    assert list(pandas.read_csv("/dbfs/t/x.csv").a) == [1, 2]


def test_workspace_files_and_imports_from_them(home, tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "found_by_workspace_path.py").write_text("VALUE = 5\n")
    monkeypatch.setattr(sys, "path", [*sys.path, "/Workspace/lib"])
    assert import_module("found_by_workspace_path").VALUE == 5
    del sys.modules["found_by_workspace_path"]
    assert Path("/Workspace/lib/found_by_workspace_path.py").read_text() == "VALUE = 5\n"


def test_a_workspace_path_that_is_nowhere_is_not_found(home):
    assert not Path("/Workspace/Users/me/deep/below/none.json").exists()
    with pytest.raises(FileNotFoundError):
        Path("/Workspace/Users/me/deep/below/none.json").read_text()


def test_a_deployed_bundles_file_is_the_one_in_its_folder(home, tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "dev.json").write_text("[1]")
    assert Path("/Workspace/Users/me/.bundle/b/dev/files/config/dev.json").read_text() == "[1]"


def test_dbutils_fs_and_open_see_the_same_file(home, tmp_path):
    Files(home, tmp_path).write("/both.txt", b"same", overwrite=False)
    assert Path("/dbfs/both.txt").read_text() == "same"


def test_a_mount_of_a_local_folder_and_one_of_a_remote_store(home, tmp_path):
    from dbutils_local.paths import Mount

    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "f").write_text("lake")
    files = Files(home, tmp_path)
    files.mounts.add(Mount("/mnt/lake", f"file:{tmp_path}/lake"))
    files.mounts.add(Mount("/mnt/far", "s3://bucket"))
    assert Path("/dbfs/mnt/lake/f").read_text() == "lake"
    assert not os.path.exists("/dbfs/mnt/far/f")
    with pytest.raises(OSError, match=r"use dbutils\.fs"):
        Path("/dbfs/mnt/far/f").read_text()


@pytest.mark.parametrize("path", ["/dbfsx", "/tmp", "relative", "/dbfs/../tmp"])
def test_other_paths_are_left_alone(home, path):
    assert mounts.Mapping(home, home)(path) == path


def test_file_descriptors_and_bytes_are_left_alone(home, tmp_path):
    with open(os.open(tmp_path / "fd", os.O_CREAT | os.O_WRONLY), "wb") as file:
        file.write(b"x")
    assert os.stat(os.fsencode(tmp_path / "fd")).st_size == 1


def test_everything_is_put_back(tmp_path):
    before = (open, os.stat, os.listdir, os.rename, len(sys.path_hooks))
    mounts.install(tmp_path, tmp_path)
    assert os.stat is not before[1]
    mounts.uninstall()
    assert (open, os.stat, os.listdir, os.rename, len(sys.path_hooks)) == before


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("ls /dbfs", "ls {home}/dbfs"),
        ("ls -l /dbfs/data/", "ls -l {home}/dbfs/data/"),
        ("cat '/dbfs/a b.txt'", "cat '{home}/dbfs/a b.txt'"),
        ("cp /dbfs/x.csv /Volumes/c/s/v/x.csv", "cp {home}/dbfs/x.csv {home}/volumes/c/s/v/x.csv"),
        ("X=/dbfs/$DAY; rm /dbfs/tmp/*.csv", "X={home}/dbfs/$DAY; rm {home}/dbfs/tmp/*.csv"),
        ("pip install -r /Workspace/requirements.txt", "pip install -r {root}/requirements.txt"),
        ("curl https://host/dbfs/x /tmp/dbfs/y ./dbfs /dbfs2 dbfs:/z", None),
    ],
)
def test_a_command_names_paths_as_the_program_finds_them(home, tmp_path, written, found):
    (tmp_path / "requirements.txt").touch()
    expected = (found or written).format(home=home, root=tmp_path)
    assert mounts.in_command(written) == expected


@pytest.mark.parametrize(
    "run",
    [
        lambda: subprocess.check_output(["cat", "/dbfs/x.txt"]),
        lambda: subprocess.check_output("cat /dbfs/x.txt", shell=True),
        lambda: subprocess.check_output(["bash", "-c", "cat /dbfs/x.txt"]),
        lambda: subprocess.check_output(["cat", "x.txt"], cwd="/dbfs"),
        lambda: subprocess.check_output(["dd", "if=/dbfs/x.txt", "status=none"]),
        lambda: subprocess.check_output(["/dbfs/run.sh", Path("/dbfs/x.txt")]),
        lambda: subprocess.getoutput("cat /dbfs/x.txt").encode(),
    ],
)
def test_another_program_is_given_the_paths_of_this_machine(home, run):
    (home / "dbfs").mkdir(parents=True)
    (home / "dbfs/x.txt").write_text("hello")
    (home / "dbfs/run.sh").write_text("#!/bin/sh\ncat $1\n")
    (home / "dbfs/run.sh").chmod(0o755)
    assert run() == b"hello"
    assert os.system("test -f /dbfs/x.txt") == 0


def test_an_argument_that_only_speaks_of_a_path_stays_as_it_is(home):
    said = subprocess.check_output(["echo", "see /dbfs/x", "--about", "a=b /dbfs/x"], text=True)
    assert said == "see /dbfs/x --about a=b /dbfs/x\n"


def test_a_command_keeps_its_paths_where_nothing_is_mapped():
    assert mounts.in_command("ls /dbfs") == "ls /dbfs"
