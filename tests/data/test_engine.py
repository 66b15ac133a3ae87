"""The same records stay, whichever engine did the work."""

import json

import pytest

from tuneline.data import engine
from tuneline.data.config import DataConfig
from tuneline.data.engine import run_all
from tuneline.data.prepare import load_splits, prepare
from tuneline.errors import DataError
from tuneline.store import Store


@pytest.fixture(scope="module")
def scheduler():
    """Address of a Dask cluster of two worker processes on this machine."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def config_of(tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    for part in range(4):
        rows = [
            {
                "instruction": f"第 {n} 条规定的期限是多久？Article {n * 37} of part {n % 5}.",
                "output": f"{n * n} 天" if n % 7 else "",
            }
            for n in range(part * 50, part * 50 + 70)  # overlaps: copies across files
        ]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{part}.jsonl").write_text(text)
    source = {"name": "s", "path": str(folder), "license": "MIT"}

    def make(address):
        settings = {"sources": [source], "max_bad_fraction": 0.5, "engine": address}
        return DataConfig.model_validate(settings)

    return make


@pytest.mark.slow
def test_a_cluster_and_this_machine_keep_the_same_records(scheduler, config_of, tmp_path):
    here = prepare("d", config_of("local"), Store(tmp_path / "here"))
    there = prepare("d", config_of(scheduler), Store(tmp_path / "there"))
    assert load_splits(here) == load_splits(there)
    names = ("dropped.jsonl", "holdout.parquet", "train.parquet")
    for name in names:
        assert (here.path / name).read_bytes() == (there.path / name).read_bytes()


def test_processes_and_this_process_give_the_same_results_in_order(monkeypatch):
    numbers = list(range(5))
    expected = [str(n) for n in numbers]
    assert run_all(str, numbers, "local", 0) == expected
    monkeypatch.setattr(engine, "MIN_BYTES_FOR_PROCESSES", 0)
    done = []
    found = run_all(str, numbers, "local", 1, lambda n, total: done.append((n, total)))
    assert found == expected
    assert done == [(n + 1, 5) for n in range(5)]


def test_an_error_of_a_piece_is_the_error(monkeypatch):
    monkeypatch.setattr(engine, "MIN_BYTES_FOR_PROCESSES", 0)
    with pytest.raises(ValueError, match="invalid literal"):
        run_all(int, ["1", "x"], "local", 1)


def test_a_scheduler_that_does_not_answer_is_one_sentence():
    with pytest.raises(DataError, match=r"no Dask scheduler answers at data.engine tcp://127"):
        run_all(str, [1], "tcp://127.0.0.1:9", 0)
