"""Reference section 5: dbutils.fs, a test a row."""

from __future__ import annotations

import time

import pytest

from dbutils_local.dbutils.fs import FileInfo


@pytest.fixture
def fs(dbutils, capsys):
    dbutils.fs.put("/data/a.txt", "alpha")
    dbutils.fs.put("/data/sub/b.txt", "beta")
    capsys.readouterr()
    return dbutils.fs


# 5.1 Commands


def test_5_1_ls_lists_one_level_with_folders_marked(fs):
    assert [(info.path, info.name, info.size) for info in fs.ls("/data")] == [
        ("dbfs:/data/a.txt", "a.txt", 5),
        ("dbfs:/data/sub/", "sub/", 0),
    ]


def test_5_1_ls_of_a_file_is_that_file(fs):
    assert [info.path for info in fs.ls("/data/a.txt")] == ["dbfs:/data/a.txt"]


def test_5_1_head_gives_text(fs, capsys):
    assert fs.head("/data/a.txt") == "alpha"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("keyword", ["maxBytes", "max_bytes"])
def test_5_1_head_says_when_it_cuts(fs, capsys, keyword):
    assert fs.head("/data/a.txt", **{keyword: 3}) == "alp"
    assert capsys.readouterr().out == "[Truncated to first 3 bytes]\n"


def test_5_1_head_never_cuts_a_character_in_two(fs):
    fs.put("/u.txt", "aé")
    assert fs.head("/u.txt", 2) == "a"


def test_5_1_put_writes_makes_parents_and_says_how_much(fs, capsys):
    assert fs.put("/new/deep/f.txt", "é") is True
    assert capsys.readouterr().out == "Wrote 2 bytes.\n"
    assert fs.head("/new/deep/f.txt") == "é"


def test_5_1_put_on_an_existing_file_needs_overwrite(fs):
    with pytest.raises(Exception, match=r"java\.nio\.file\.FileAlreadyExistsException"):
        fs.put("/data/a.txt", "x")
    assert fs.put("/data/a.txt", "x", True)
    assert fs.head("/data/a.txt") == "x"


def test_5_1_cp_of_a_file_overwrites(fs):
    assert fs.cp("/data/a.txt", "/data/sub/b.txt") is True
    assert fs.head("/data/sub/b.txt") == "alpha"


def test_5_1_cp_of_a_folder_needs_recurse(fs):
    with pytest.raises(Exception, match="recurse=True"):
        fs.cp("/data", "/copy")
    assert fs.cp("/data", "/copy", True) is True
    assert fs.head("/copy/sub/b.txt") == "beta"


def test_5_1_cp_across_file_systems(fs, tmp_path):
    assert fs.cp("/data/a.txt", f"file:{tmp_path}/out/a.txt")
    assert (tmp_path / "out" / "a.txt").read_text() == "alpha"
    assert fs.cp("/data/a.txt", "memory://bucket/a.txt")
    assert fs.head("memory://bucket/a.txt") == "alpha"
    assert fs.rm("memory://bucket", True)


def test_5_3_a_cloud_url_is_the_folder_that_stands_in_for_it(fs, tmp_path):
    url = "abfss://raw@lake.dfs.core.windows.net"
    with pytest.raises(Exception, match=r"make the folder .*/cloud/abfss/raw@lake\.dfs\.core\.windows\.net"):
        fs.ls(url)
    (tmp_path / "home/cloud/abfss/raw@lake.dfs.core.windows.net").mkdir(parents=True)
    fs.put(f"{url}/in/a.txt", "alpha")
    assert [(file.path, file.name) for file in fs.ls(f"{url}/in")] == [(f"{url}/in/a.txt", "a.txt")]
    assert [file.path for file in fs.ls(f"{url}/")] == [f"{url}/in/"]
    fs.mount(source=url, mount_point="/mnt/raw")
    assert fs.head("/mnt/raw/in/a.txt") == "alpha"
    with pytest.raises(Exception, match="cannot be removed"):
        fs.rm(url, True)
    assert fs.rm(f"{url}/in", True)


def test_5_1_cp_of_a_folder_into_itself_is_refused(fs):
    with pytest.raises(Exception, match="into itself"):
        fs.cp("/data", "/data/sub/again", True)


def test_5_1_mv_copies_then_deletes(fs):
    assert fs.mv("/data/a.txt", "/moved.txt") is True
    assert fs.head("/moved.txt") == "alpha"
    assert [info.name for info in fs.ls("/data")] == ["sub/"]


def test_5_1_mv_onto_itself_loses_nothing(fs):
    assert fs.mv("/data/a.txt", "dbfs:/data/a.txt")
    assert fs.head("/data/a.txt") == "alpha"


def test_5_1_mv_of_a_folder(fs):
    with pytest.raises(Exception, match="recurse=True"):
        fs.mv("/data", "/other")
    assert fs.mv("/data", "/other", recurse=True)
    assert fs.head("/other/sub/b.txt") == "beta"
    with pytest.raises(Exception, match="FileNotFoundException"):
        fs.ls("/data")


def test_5_1_rm_of_a_filled_folder_needs_recurse(fs):
    with pytest.raises(Exception, match="not empty"):
        fs.rm("/data")
    assert fs.rm("/data", True) is True


def test_5_1_rm_of_a_missing_path_is_false(fs):
    assert fs.rm("/nope") is False


def test_5_1_rm_of_a_root_is_refused(fs):
    for root in ("/", "dbfs:/", "file:/"):
        with pytest.raises(Exception, match="is a root"):
            fs.rm(root, True)


def test_5_1_mkdirs_makes_parents_and_accepts_an_existing_one(fs):
    assert fs.mkdirs("/x/y/z") is True
    assert fs.mkdirs("/x/y/z") is True
    assert fs.ls("/x/y")[0].name == "z/"


def test_5_1_mount_update_unmount_and_the_table(fs, tmp_path, capsys):
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "f").write_text("in the lake")
    assert fs.mount(source=f"file:{tmp_path}/lake", mount_point="/mnt/lake") is True
    assert [(m.mountPoint, m.source, m.encryptionType) for m in fs.mounts()] == [
        ("/mnt/lake", f"file:{tmp_path}/lake", "")
    ]
    assert fs.head("/mnt/lake/f") == "in the lake"
    assert [info.path for info in fs.ls("/mnt/lake")] == ["dbfs:/mnt/lake/f"]
    assert fs.refreshMounts() is True
    assert fs.updateMount("dbfs:/data", "/mnt/lake") is True
    assert fs.head("/mnt/lake/a.txt") == "alpha"
    assert fs.unmount("/mnt/lake") is True
    assert "/mnt/lake has been unmounted." in capsys.readouterr().out
    assert fs.mounts() == []


def test_5_1_mount_keywords_of_scala_and_configs_that_are_not_used(fs, capsys):
    assert fs.mount(source="dbfs:/data", mountPoint="/mnt/x", extraConfigs={"fs.azure.key": "hidden"})
    captured = capsys.readouterr()
    assert "not used or kept" in captured.err
    assert "hidden" not in captured.err


def test_5_1_the_mount_table_is_there_for_the_next_process(fs, make):
    fs.mount("dbfs:/data", "/mnt/kept")
    assert make().fs.head("/mnt/kept/a.txt") == "alpha"


@pytest.mark.parametrize("call", ["cacheFiles", "cacheTable", "uncacheFiles", "uncacheTable"])
def test_5_1_the_cache_commands_do_nothing(fs, call):
    assert getattr(fs, call)("x") is True


def test_5_1_keywords_of_the_stubs_and_of_the_pages(fs):
    assert fs.ls(path="/data") == fs.ls(dir="/data")
    assert fs.cp(source="/data/a.txt", dest="/c.txt", recurse=False)


# 5.2 FileInfo


def test_5_2_repr_is_databricks(fs):
    info = FileInfo("dbfs:/Volumes/main/default/v/data.csv", "data.csv", 2258987, 1711357839000)
    assert repr(info) == (
        "FileInfo(path='dbfs:/Volumes/main/default/v/data.csv', name='data.csv', "
        "size=2258987, modificationTime=1711357839000)"
    )


def test_5_2_fields_and_unpacking(fs):
    path, name, size, modified = fs.ls("/data/a.txt")[0]
    assert (path, name, size) == ("dbfs:/data/a.txt", "a.txt", 5)
    assert abs(modified - time.time() * 1000) < 600_000


def test_5_2_paths_of_volumes_start_with_dbfs(fs):
    fs.put("/Volumes/main/default/v/x.csv", "1")
    assert fs.ls("/Volumes/main/default/v")[0].path == "dbfs:/Volumes/main/default/v/x.csv"


def test_5_2_is_dir_and_is_file(fs):
    file, folder = fs.ls("/data")
    assert (file.isFile(), file.isDir(), folder.isFile(), folder.isDir()) == (True, False, False, True)


# 5.3 Paths


@pytest.mark.parametrize("path", ["dbfs:/data", "/data", "dbfs:///data", "/data/"])
def test_5_3_dbfs_is_the_default(fs, path):
    assert [info.name for info in fs.ls(path)] == ["a.txt", "sub/"]


@pytest.mark.parametrize("scheme", ["file:", "file://"])
def test_5_3_file_is_the_local_disk(fs, tmp_path, scheme):
    (tmp_path / "here.txt").write_text("local")
    assert fs.head(f"{scheme}{tmp_path}/here.txt") == "local"


@pytest.mark.parametrize("prefix", ["/Volumes", "dbfs:/Volumes"])
def test_5_3_volumes(fs, prefix):
    fs.put(f"{prefix}/c/s/v/f", "x", True)
    assert fs.head("/Volumes/c/s/v/f") == "x"


def test_5_3_external_storage_without_its_package_names_the_extra(fs):
    pytest.importorskip("fsspec")
    try:
        import s3fs  # noqa: F401
    except ImportError:
        with pytest.raises(Exception, match=r"dbutils-local\[s3\]"):
            fs.ls("s3a://bucket/x")


def test_5_3_the_fuse_path_is_an_ordinary_folder_for_fs(fs):
    fs.put("/dbfs/x", "mistake")
    assert fs.ls("dbfs:/dbfs")[0].path == "dbfs:/dbfs/x"


def test_5_3_an_unknown_scheme_is_refused(fs):
    with pytest.raises(Exception, match='No FileSystem for scheme "foo"'):
        fs.ls("foo://x")


def test_5_3_a_path_cannot_climb_out(fs):
    with pytest.raises(Exception, match="climbs above the root"):
        fs.ls("/../../etc")


# 5.4 Exceptions


def test_5_4_the_type_is_displayed_as_execution_error(fs):
    with pytest.raises(Exception, match="An error occurred while calling o") as caught:
        fs.ls("/nope")
    assert type(caught.value).__name__ == "ExecutionError"
    assert str(caught.value).splitlines()[0].endswith(".ls.")


@pytest.mark.parametrize("call", ["ls", "head"])
def test_5_4_a_missing_path_holds_file_not_found(fs, call):
    with pytest.raises(Exception, match=r"java\.io\.FileNotFoundException"):
        getattr(fs, call)("/nope")


def test_5_4_reserved_names(fs):
    with pytest.raises(Exception, match="ReservedPathException: /Volume is a reserved DBFS path"):
        fs.ls("/Volume/main")


def test_5_4_mounting_twice(fs):
    fs.mount("dbfs:/data", "/mnt/a")
    with pytest.raises(Exception, match="Directory already mounted: /mnt/a"):
        fs.mount("dbfs:/data", "/mnt/a")


def test_5_4_unmounting_what_is_not_mounted(fs):
    with pytest.raises(Exception, match="Directory not mounted: /mnt/none"):
        fs.unmount("/mnt/none")
