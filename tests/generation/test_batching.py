"""The batch plan: every row once, long ones first, within its budget; and what a kill keeps."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneline.generation.artifact import Prediction
from tuneline.generation.batching import plan_batches, run_batches
from tuneline.generation.journal import Finished, Journal
from tuneline.progress import silent

PLAN = [[2, 0], [1, 3], [4]]
LENGTHS = st.lists(st.integers(0, 300), max_size=60)


def answer(rows: Sequence[int]) -> list[Prediction]:
    return [Prediction(f"answer {row}", row, 0.5) for row in rows]


ANSWERS = answer(range(5))


@given(LENGTHS, st.integers(1, 2000), st.integers(1, 9), st.integers(0, 64))
def test_batches_hold_every_row_once_longest_first_within_budget_and_cap(
    lengths: list[int], batch_tokens: int, batch_size: int, new_tokens: int
):
    batches = plan_batches(lengths, batch_tokens, batch_size, new_tokens)
    order = [row for batch in batches for row in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[row] for row in order] == sorted(lengths, reverse=True)
    for batch in batches:
        padded = len(batch) * (max(lengths[row] for row in batch) + new_tokens)
        assert len(batch) <= batch_size
        assert padded <= batch_tokens or len(batch) == 1


@given(LENGTHS.filter(bool), st.integers(1, 2000), st.integers(1, 9))
def test_no_batch_could_have_taken_the_next_row(
    lengths: list[int], batch_tokens: int, batch_size: int
):
    batches = plan_batches(lengths, batch_tokens, batch_size, new_tokens=1)
    for batch in batches[:-1]:
        is_full = len(batch) == batch_size
        assert is_full or (len(batch) + 1) * (lengths[batch[0]] + 1) > batch_tokens


def test_the_budget_by_hand():
    # 4 rows of 10 + 2 tokens are 48; then 5 + 2 = 7 tokens a row, of which 6 fit into 48
    lengths = [5, 10, 5, 10, 5, 10, 5, 10, 5]
    assert plan_batches(lengths, 48, 100, new_tokens=2) == [[1, 3, 5, 7], [0, 2, 4, 6, 8]]


def journal(path: Path, digest: str = "d") -> Journal[Prediction]:
    return Journal(path / "journal.jsonl", digest, Prediction)


def test_finished_batches_are_read_back_as_they_were(tmp_path: Path):
    assert journal(tmp_path).read() == {}
    batches = [Finished((2, 0), answer((2, 0)), 1.5), Finished((1,), [Prediction(None, 0)], 2.0)]
    for batch in batches:
        journal(tmp_path).append(batch)
    assert journal(tmp_path).read() == {batch.rows: batch for batch in batches}


def test_a_journal_of_other_settings_is_begun_anew(tmp_path: Path):
    journal(tmp_path).read()
    journal(tmp_path).append(Finished((0,), answer([0]), 1.0))
    assert journal(tmp_path, "other").read() == {}
    assert journal(tmp_path).read() == {}, "the old lines are gone, not only skipped"


@pytest.mark.parametrize("cut", range(1, 40, 6))
def test_a_line_that_a_kill_left_half_written_is_cut_off(tmp_path: Path, cut: int):
    first, second = Finished((2, 0), answer((2, 0)), 1.0), Finished((1, 3), answer((1, 3)), 1.0)
    journal(tmp_path).read()
    journal(tmp_path).append(first)
    journal(tmp_path).append(second)
    file = tmp_path / "journal.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    assert journal(tmp_path).read() == {first.rows: first}
    journal(tmp_path).append(second)
    assert journal(tmp_path).read() == {first.rows: first, second.rows: second}


@pytest.mark.parametrize("left", [b"", b'{"dig', b'{"digest":"d"}'])
def test_a_journal_without_a_whole_first_line_is_begun_anew(tmp_path: Path, left: bytes):
    (tmp_path / "journal.jsonl").write_bytes(left)
    assert journal(tmp_path).read() == {}
    assert json.loads((tmp_path / "journal.jsonl").read_text()) == {"digest": "d"}


def test_only_what_is_not_in_the_journal_is_done(tmp_path: Path):
    journal(tmp_path).read()
    journal(tmp_path).append(Finished((1, 3), answer((1, 3)), 7.0))
    asked: list[Sequence[int]] = []

    def work(rows: Sequence[int]) -> list[Prediction]:
        asked.append(rows)
        return answer(rows)

    values, seconds = run_batches(PLAN, work, Prediction(None, 0), silent, journal(tmp_path))
    assert asked == [(2, 0), (4,)]
    assert values == ANSWERS
    assert seconds >= 7.0, "the time of the killed run counts"


@pytest.mark.parametrize("n_before", range(3))
def test_a_run_that_stops_between_batches_ends_with_the_same_values(tmp_path: Path, n_before: int):
    left = n_before

    def work(rows: Sequence[int]) -> list[Prediction]:
        nonlocal left
        if not left:
            raise ValueError
        left -= 1
        return answer(rows)

    with pytest.raises(ValueError):
        run_batches(PLAN, work, Prediction(None, 0), silent, journal(tmp_path))
    left = len(PLAN) - n_before  # one batch too many would stop it again
    values, _ = run_batches(PLAN, work, Prediction(None, 0), silent, journal(tmp_path))
    assert values == ANSWERS


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 5))
def test_another_seed_puts_every_row_into_one_batch_that_still_fits(lengths: list[int], seed: int):
    plan = plan_batches(lengths, 500, 8, new_tokens=20, seed=seed)
    assert sorted(row for batch in plan for row in batch) == list(range(len(lengths)))
    for batch in plan:
        assert len(batch) <= 8
        assert len(batch) == 1 or len(batch) * (max(lengths[i] for i in batch) + 20) <= 500
    assert plan == plan_batches(lengths, 500, 8, new_tokens=20, seed=seed)


def test_another_seed_gives_rows_other_neighbours_even_where_all_fit_into_one_batch():
    lengths = [100 + row % 10 for row in range(40)]
    assert [len(batch) for batch in plan_batches(lengths, 10_000, 64)] == [40]
    plans = [plan_batches(lengths, 10_000, 64, seed=seed) for seed in (1, 2)]
    assert plans[0] != plans[1]
    assert all(len(plan) == 2 for plan in plans)
