import hashlib
import os
import uuid
from importlib.util import find_spec

import fsspec
import pytest

from tuneline.data.reading.files import find_files
from tuneline.errors import DataError

ROW = b'{"instruction": "Q", "output": "A"}\n'


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.jsonl",
        "sub/a.jsonl",
        "README.md",
        "SOURCE.md",
        "LICENSE",
        "dataset_info.json",
        ".hidden.jsonl",
        ".git/c.jsonl",
    ):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(ROW)
    return tmp_path / "data"


def test_a_file_comes_with_size_and_digest_of_its_raw_bytes(source_of, folder):
    (file,) = find_files(source_of(folder / "b.jsonl"))
    assert (file.path, file.size) == (f"{folder}/b.jsonl", len(ROW))
    assert file.digest == hashlib.sha256(ROW).hexdigest()


def test_folders_are_searched_for_data_and_documents_and_hidden_files_are_not(source_of, folder):
    paths = [file.path for file in find_files(source_of(folder))]
    assert paths == [f"{folder}/b.jsonl", f"{folder}/sub/a.jsonl"]


def test_globs_reach_into_folders_and_relative_paths_stay_relative(source_of, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    assert [f.path for f in find_files(source_of("data/*"))] == ["data/b.jsonl"]
    assert [f.path for f in find_files(source_of("data/**/*.jsonl"))] == [
        "data/b.jsonl",
        "data/sub/a.jsonl",
    ]
    assert [f.path for f in find_files(source_of("data"))] == ["data/b.jsonl", "data/sub/a.jsonl"]


def test_urls_are_files_folders_and_globs_too(source_of, folder):
    root = f"memory://{uuid.uuid4().hex}"
    for name in ("b.jsonl", "sub/a.jsonl", "README.md"):
        fsspec.filesystem("memory").pipe(f"{root}/{name}", ROW)
    assert [f.path for f in find_files(source_of(f"{root}/b.jsonl"))] == [f"{root}/b.jsonl"]
    assert [f.path for f in find_files(source_of(root))] == [
        f"{root}/b.jsonl",
        f"{root}/sub/a.jsonl",
    ]
    (file,) = find_files(source_of(f"{root}/*.jsonl"))
    assert file.path.endswith("/b.jsonl")
    assert file.digest == hashlib.sha256(ROW).hexdigest()
    assert len(find_files(source_of(f"file://{folder}/*.jsonl"))) == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.jsonl", "nowhere.jsonl: no such file in "),
        ("nowhere/*.jsonl", "nowhere/*.jsonl: no file matches in "),
        ("memory://nowhere/a.jsonl", "memory://nowhere/a.jsonl: no such file; correct the source"),
        ("ftpz://host/a.jsonl", "ftpz://host/a.jsonl: Protocol not known: ftpz; use a URL that"),
    ],
)
def test_a_place_without_files_is_named_with_the_way_out(source_of, path, message):
    with pytest.raises(DataError) as caught:
        find_files(source_of(path))
    assert message in str(caught.value)


@pytest.mark.skipif(find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_missing_driver_is_named_with_the_extra_that_brings_it(source_of):
    with pytest.raises(DataError, match=r"a\.jsonl: Install s3fs.*pip install 'tuneline\[s3\]'"):
        find_files(source_of("s3://bucket/a.jsonl"))


def test_a_folder_without_data_is_an_error(source_of, tmp_path):
    (tmp_path / "README.md").write_bytes(b"# no data")
    with pytest.raises(DataError, match="the folder holds no data file"):
        find_files(source_of(tmp_path))


def test_a_link_that_leads_nowhere_is_named_and_one_that_leads_to_a_file_is_read(source_of, folder):
    (folder / "link.jsonl").symlink_to(folder / "b.jsonl")
    (folder / ".hidden-link").symlink_to(folder / "gone")
    assert len(find_files(source_of(folder))) == 3
    (folder / "old.jsonl").symlink_to(folder / "gone.jsonl")
    for path in (folder, folder / "*.jsonl", folder / "old.jsonl"):
        with pytest.raises(
            DataError, match=r"/old\.jsonl: the link leads to no file; mend or remo"
        ):
            find_files(source_of(path))


def test_a_file_name_that_is_not_utf_8_is_named_as_python_writes_it(source_of, folder):
    (folder / "合同 ü.jsonl").write_bytes(ROW)
    assert len(find_files(source_of(folder))) == 3
    try:
        (folder / os.fsdecode(b"caf\xe9.jsonl")).write_bytes(ROW)
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    with pytest.raises(
        DataError, match=r"caf\\udce9\.jsonl': the file's name is not UTF-8; rename"
    ):
        find_files(source_of(folder))
