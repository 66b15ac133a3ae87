import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from tuneline.data.fates import ORDER, first_fates
from tuneline.data.keys import Digests, KeyedRecord, Keys, numbered, rows_of
from tuneline.data.memory import Memory
from tuneline.data.splitting import DECISIVE
from tuneline.records import Message, Record, text_digest

DIGESTS = [text_digest(str(n % 300)) for n in range(500)]


@pytest.fixture
def files(tmp_path):
    """Two files with copies in both, in row groups of seven; groups and sources vary."""
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for number, path in enumerate(paths):
        records = [
            Record(
                (Message("user", f"q{n % 9}"), Message("assistant", f"a{n % 4}")),
                f"s{n % 2}", f"f{number}", 40 - n, group=f"g{n % 3}" if n % 5 else None,
            )
            for n in range(40)
        ]  # fmt: skip
        table = rows_of(KeyedRecord(record, record, "unknown", None) for record in records)
        pq.write_table(table, path, row_group_size=7)
    return paths


def test_digests_as_numbers_are_equal_and_sorted_as_the_digests_are():
    frame = pl.DataFrame({"digest": DIGESTS, "line": range(500)})
    found = numbered(frame.lazy()).collect()
    assert found["digest"].to_list() == [int(digest[:32], 16) for digest in DIGESTS]
    assert found.sort("digest", "line")["line"].equals(frame.sort("digest", "line")["line"])


def test_digests_in_halves_are_the_digests(files):
    keys = Keys(files)
    high, low = (half.tolist() for half in keys.digests("raw_digest"))
    expected = keys.load("raw_digest")["raw_digest"].to_list()
    assert [(h << 64) + n for h, n in zip(high, low, strict=True)] == expected


def test_ranks_sort_as_digests_do_and_firsts_are_the_first_equal_ones():
    # Halves are equal for many, so that neither of them tells digests apart.
    values = np.random.default_rng(0).integers(0, 5, (2, 200)).astype(np.uint64)
    pairs = list(zip(*values.tolist(), strict=True))
    names = sorted(set(pairs))
    assert Digests(*values).ranks().tolist() == [names.index(pair) for pair in pairs]
    assert Digests(*values).firsts().tolist() == [pairs.index(pair) for pair in pairs]


def test_some_rows_are_those_of_all_rows(files):
    keys, rows = Keys(files), np.array([0, 6, 7, 39, 40, 79])
    names = ("line", "digest", "questions", "group")
    assert len(keys) == 80
    assert keys.load(*names, rows=rows).equals(keys.load(*names)[rows])
    assert keys.load(*names, rows=rows[:0]).is_empty()


def test_records_are_ordered_by_rank_and_by_every_key(files, line):
    keys = Keys(files)
    fates = first_fates(keys, Memory([]).uses(*DECISIVE[:3]), line().config)
    table = keys.load(*ORDER).with_columns(rank=fates.rank, row=pl.int_range(len(keys)))
    assert fates.order.tolist() == table.sort("rank", *ORDER)["row"].to_list()
