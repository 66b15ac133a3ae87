"""Files that were made to fill memory or disk, or to name what lies outside, are refused."""

import gzip
import json
import zipfile

import pytest

from tuneline.data.reading import opening
from tuneline.data.reading.opening import max_unpacked
from tuneline.errors import DataError

ROW = {"instruction": "Q", "output": "A"}
LINE = json.dumps(ROW) + "\n"


@pytest.fixture
def small_limit(monkeypatch):
    """What any file may unpack to, small enough for a test."""
    monkeypatch.setattr(opening, "FREE_BYTES", 100_000)


@pytest.mark.parametrize("text", ["x" * 5_000_000, LINE * 150_000, "[" + " " * 5_000_000 + "]"])
def test_a_gzip_bomb_is_refused_while_it_unpacks(read_file, tmp_path, small_limit, text):
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(text.encode()))
    assert len(text) > 100 * path.stat().st_size, "it has to be a bomb"
    with pytest.raises(DataError, match="unpacks to more than 100 times its size"):
        read_file(path)


def test_a_bomb_of_one_line_is_not_held_in_memory(read_file, tmp_path, small_limit):
    import tracemalloc

    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress(b"x" * 200_000_000, compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="unpacks to more than"):
            read_file(path)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


def test_ordinary_data_packs_less_and_is_read(read_file, tmp_path, small_limit):
    rows = "".join(json.dumps(ROW | {"output": f"{i * 7919}"}) + "\n" for i in range(5000))
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(rows.encode()))
    assert len(read_file(path)[0]) == 5000


def test_small_files_may_pack_any_text(read_file, tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress((LINE * 20_000).encode()))
    assert len(read_file(path)[0]) == 20_000
    assert max_unpacked(1) == opening.FREE_BYTES


def test_a_workbook_that_is_a_bomb_is_refused_before_it_is_unpacked(
    read_file, tmp_path, small_limit
):
    path = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/sharedStrings.xml", "<si>" * 2_000_000)
    with pytest.raises(DataError, match="unpacks to more than 100 times its size"):
        read_file(path)


@pytest.mark.parametrize(
    "name", ["../rows.jsonl", "a/../../rows.jsonl", "/etc/hostname", "file://x"]
)
def test_a_dataset_info_cannot_name_files_outside_its_folder(read_file, tmp_path, name):
    (tmp_path / "rows.jsonl").write_text(LINE)
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "dataset_info.json"
    path.write_text(json.dumps({"rows": {"file_name": name}}))
    with pytest.raises(DataError, match="leads out of its folder"):
        read_file(path, entry="rows")


@pytest.mark.parametrize("url", ["/etc/hostname", "file:///etc/hostname", "local:///etc/hostname"])
def test_a_cloud_file_is_in_a_bucket(read_file, tmp_path, url):
    path = tmp_path / "dataset_info.json"
    path.write_text(json.dumps({"rows": {"cloud_file_name": url}}))
    with pytest.raises(DataError, match="is no URL of a bucket"):
        read_file(path, entry="rows")
