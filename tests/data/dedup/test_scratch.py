import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuneline.data.dedup.files import load_sketches, sketch_file
from tuneline.data.dedup.scratch import KeyFile, Pages, Scratch
from tuneline.data.dedup.shingles import concatenate, rehash, sketch

MIB = 2**20
TEXTS = ["the rent is due", "the deed is void", "合同自成立时生效", "x", "a note", "票据", ""]


@pytest.fixture
def scratch(tmp_path):
    return Scratch(tmp_path, max_bytes=0)


def mapped_mib():
    """Files in this process's memory, as the kernel counts them."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssFile:")[1].split()[0]) / 1024


def values(sketches):
    arrays = [sketches.shingles, sketches.starts, sketches.ends, *sketches.bands]
    return [array.tolist() for array in arrays]


def test_rows_of_a_matrix_in_a_file_are_those_that_were_written(scratch):
    file = scratch.file()
    matrices = [np.arange(6, dtype=np.uint32).reshape(2, 3), np.full((2, 1), 9, dtype=np.uint32)]
    written = [KeyFile.append(file, matrix) for matrix in matrices]
    found = [[each[row].tolist() for row in range(len(each))] for each in written]
    assert found == [[[0, 1, 2], [3, 4, 5]], [[9], [9]]]


def test_a_scratch_file_has_no_name_and_leaves_nothing(scratch):
    file = scratch.file()
    file.append(np.ones(4, dtype=np.uint32))
    assert list(scratch.folder.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of mapped files")
@pytest.mark.parametrize(("max_mib", "stays"), [(16, False), (128, True)])
def test_pages_are_let_go_above_the_limit_and_not_below(scratch, max_mib, stays):
    file = scratch.file()
    file.append(np.arange(64 * MIB // 4, dtype=np.uint32))
    pages = Pages(file, max_mib * MIB)
    before, total = mapped_mib(), int(pages.values.sum(dtype=np.int64))
    assert mapped_mib() - before > 60
    pages.let_go()
    assert (mapped_mib() - before > 60) == stays
    assert int(pages.values.sum(dtype=np.int64)) == total


@pytest.mark.parametrize("n_first", [0, 3])
def test_sketches_of_stored_files_are_those_of_all_texts(tmp_path, scratch, monkeypatch, n_first):
    monkeypatch.setattr("tuneline.data.dedup.files.TEXTS_AT_A_TIME", 2)
    folders = []
    for number, texts in enumerate([TEXTS[:n_first], TEXTS[n_first:]]):
        file = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), file)
        output = sketch_file(file, str(number), {"full": pl.col("text")}, 0.8, tmp_path / "ws", 9)
        folders.append(output.path)
    whole = sketch(TEXTS, 0.8)
    assert values(load_sketches(folders, "full", 0.8, scratch)) == values(whole)
    assert np.load(folders[1] / "full-shingles.npy").dtype == np.uint32


def test_keys_by_other_hash_functions_are_the_same_in_memory_and_in_files(scratch, monkeypatch):
    monkeypatch.setattr("tuneline.data.dedup.shingles.TEXTS_AT_A_TIME", 2)
    here = sketch(TEXTS, 0.8)
    there = concatenate([here], scratch)
    assert values(rehash(there, 0.8, 7, scratch)) == values(rehash(here, 0.8, 7))
