"""Databricks' paths as folders of this machine, both ways, and never above their root."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbutils_local.errors import UserError
from dbutils_local.paths import Mount, Places, Remote, locate, to_dbfs, to_local, to_open, workspace_file

PLACES = Places(
    Path("/home/me/.db"),
    Path("/work/proj"),
    (
        Mount("/mnt/lake", "s3a://bucket/p"),
        Mount("/mnt/lake/inner", "dbfs:/inner"),
        Mount("/mnt/disk", "/data/disk"),
        Mount("/mnt/self", "dbfs:/mnt/self"),
    ),
)
DBFS = "/home/me/.db/dbfs"
VOLUMES = "/home/me/.db/volumes"


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/x/y", f"{DBFS}/x/y"),
        ("dbfs:/x/y", f"{DBFS}/x/y"),
        ("dbfs:///x", f"{DBFS}/x"),
        ("dbfs:/", DBFS),
        ("/", DBFS),
        ("x", f"{DBFS}/x"),
        ("/x/../y", f"{DBFS}/y"),
        ("/x/", f"{DBFS}/x"),
        ("/dbfs/x", f"{DBFS}/dbfs/x"),
        ("/Volumes/c/s/v/f.csv", f"{VOLUMES}/c/s/v/f.csv"),
        ("dbfs:/Volumes/c", f"{VOLUMES}/c"),
        ("/Volumes", VOLUMES),
        ("/VolumesX", f"{DBFS}/VolumesX"),
        ("file:/tmp/x", "/tmp/x"),
        ("file:///tmp/x", "/tmp/x"),
        ("file:/dbfs/x", f"{DBFS}/x"),
        ("file:/Volumes/c", f"{VOLUMES}/c"),
        ("file:/Workspace/a.txt", "/work/proj/a.txt"),
        ("/mnt/plain/x", f"{DBFS}/mnt/plain/x"),
        ("/mnt/disk/x", "/data/disk/x"),
        ("/mnt/lake/inner/x", f"{DBFS}/inner/x"),
        ("/mnt/diskette", f"{DBFS}/mnt/diskette"),
        ("/mnt/self/x", f"{DBFS}/mnt/self/x"),
    ],
)
def test_a_path_given_to_dbutils_fs_has_its_place(path: str, local: str) -> None:
    assert locate(path, PLACES) == Path(local)


@pytest.mark.parametrize(
    ("path", "url"), [("/mnt/lake/x", "s3a://bucket/p/x"), ("s3://b/x", "s3://b/x"), ("abfss://c@a/x", "abfss://c@a/x")]
)
def test_remote_places_stay_urls(path: str, url: str) -> None:
    assert locate(path, PLACES) == Remote(url)
    with pytest.raises(UserError, match="not on this machine"):
        to_local(path, PLACES)


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("abfss://raw@lake.dfs.core.windows.net/a/b.csv", "abfss/raw@lake.dfs.core.windows.net/a/b.csv"),
        ("abfss://raw@lake.dfs.core.windows.net", "abfss/raw@lake.dfs.core.windows.net"),
        ("s3a://bucket//a/./b/", "s3/bucket/a/b"),
        ("s3://bucket/a*.csv", "s3/bucket/a*.csv"),
        ("WASBS://c@a.blob.core.windows.net/x", "wasbs/c@a.blob.core.windows.net/x"),
        ("/mnt/lake/x", "s3/bucket/p/x"),
    ],
)
def test_a_folder_made_for_a_container_stands_for_it(tmp_path: Path, url: str, inside: str) -> None:
    places = Places(tmp_path, tmp_path, PLACES.mounts)
    assert isinstance(locate(url, places), Remote)
    stand_in = tmp_path / "cloud" / Path(*Path(inside).parts[:2])
    with pytest.raises(UserError, match=f"make the folder {stand_in}, which then stands for"):
        to_local(url, places)
    stand_in.mkdir(parents=True)
    assert to_local(url, places) == tmp_path / "cloud" / inside


def test_no_url_climbs_out_of_its_stand_in(tmp_path: Path) -> None:
    (tmp_path / "cloud/s3/bucket").mkdir(parents=True)
    places = Places(tmp_path, tmp_path)
    with pytest.raises(UserError, match="climbs above the root"):
        locate("s3://bucket/../other", places)
    assert locate("s3://../secret", places) == Remote("s3://../secret")


@pytest.mark.parametrize("path", ["/..", "/x/../../y", "dbfs:/../etc/passwd", "/Volumes/../../x", "../x"])
def test_no_path_climbs_above_its_root(path: str) -> None:
    with pytest.raises(UserError, match="climbs above the root"):
        locate(path, PLACES)


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/dbfs/x", f"{DBFS}/x"),
        ("/dbfs", DBFS),
        ("/dbfs/mnt/disk/x", "/data/disk/x"),
        ("/Volumes/c/s/v/x", f"{VOLUMES}/c/s/v/x"),
        ("/Workspace/a/b.txt", "/work/proj/a/b.txt"),
        ("/dbfsx", None),
        ("/tmp/x", None),
        ("dbfs/x", None),
        ("x", None),
    ],
)
def test_open_means_the_fuse_paths_only(path: str, local: str | None) -> None:
    assert to_open(path, PLACES) == (Path(local) if local else None)


def test_a_remote_mount_has_no_path_for_open() -> None:
    with pytest.raises(UserError, match=r"use dbutils\.fs"):
        to_open("/dbfs/mnt/lake/x", PLACES)


@pytest.mark.parametrize(
    ("local", "name"),
    [
        (f"{DBFS}/x", "dbfs:/x"),
        (DBFS, "dbfs:/"),
        (f"{VOLUMES}/c/s", "dbfs:/Volumes/c/s"),
        (VOLUMES, "dbfs:/Volumes/"),
        ("/tmp/x", "file:/tmp/x"),
    ],
)
def test_a_local_file_has_its_databricks_name(local: str, name: str) -> None:
    assert to_dbfs(Path(local), PLACES) == name


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1), min_size=1, max_size=4))
def test_the_way_there_and_back_gives_the_same_name(parts: list[str]) -> None:
    name = "dbfs:/" + "/".join(parts)
    assert to_dbfs(to_local(name, PLACES), PLACES) == name


@given(st.text(st.sampled_from("ab./"), max_size=12))
def test_whatever_is_asked_of_dbfs_lies_inside_it(path: str) -> None:
    try:
        found = to_local("dbfs:/" + path, PLACES)
    except UserError:
        return
    assert found == PLACES.dbfs or PLACES.dbfs in found.parents


def test_a_workspace_file_is_found_where_the_project_is_the_root(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.txt").write_text("x")
    assert workspace_file("/Workspace/Repos/me/p/src/a.txt", tmp_path) == tmp_path / "src" / "a.txt"
    assert workspace_file("/Workspace/Users/me/new.txt", tmp_path) == tmp_path / "Users/me/new.txt"
