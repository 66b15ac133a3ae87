"""Slices of a scores table with expected values by hand."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneline.evaluation.slices import (
    DIMENSIONS,
    labels,
    languages,
    lengths,
    slice_differences,
    sources,
)
from tuneline.reports import TASK_SCORE


def table(rows):
    """Scores of `(source, prompt, reference, task_score)`."""
    columns = ["source", "prompt", "reference", TASK_SCORE]
    frame = pl.DataFrame(rows, schema=columns, orient="row", infer_schema_length=None)
    return frame.with_columns(digest=pl.format("record {}", pl.int_range(pl.len())))


def yes_no(n, scores):
    answers = ["Yes", "No "]
    rows = [("law", f"Is {i} legal?", answers[i % 2], float(scores[i])) for i in range(n)]
    return table(rows)


def test_every_dimension_slices_every_record_once_or_leaves_it_out():
    frame = table([("a", "Is it?", "Yes", 1.0), ("b", "是吗？", "是", 0.0)])
    assert list(DIMENSIONS) == ["source", "label", "length", "language"]
    for values in DIMENSIONS.values():
        assert len(values(frame)) == 2
    assert sources(frame).to_list() == ["a", "b"]


def test_few_short_answers_are_labels_whatever_their_case():
    frame = yes_no(6, [1] * 6).vstack(
        table([("law", "Is 6 legal?", "YES", 1.0)]).with_columns(digest=pl.lit("record 6"))
    )
    assert set(labels(frame)) == {"law: YES", "law: No"}, "one spelling stands for all"


@pytest.mark.parametrize("reference", ["answer {}", "x" * 41])
def test_answers_that_all_differ_or_are_long_are_no_labels(reference: str):
    frame = table([("law", f"Q{i}", reference.format(i), 1.0) for i in range(12)])
    assert labels(frame).null_count() == 12


def test_labels_are_judged_per_source():
    free = [("free", f"Q{i}", f"text {i}", 1.0) for i in range(9)]
    frame = table([*free, *[("law", f"Is {i}?", "Yes", 1.0) for i in range(3)]])
    assert labels(frame).to_list() == [None] * 9 + ["law: Yes"] * 3


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("one two three", "1-32 words"),
        ("word " * 32, "1-32 words"),
        ("word " * 33, "33-128 words"),
        ("合" * 128, "33-128 words"),
        ("合同 " * 65, "129-512 words"),
        ("word " * 513, "513+ words"),
        ("", "1-32 words"),
    ],
)
def test_lengths_have_fixed_steps_and_count_chinese_characters(prompt: str, expected: str):
    assert lengths(table([("s", prompt, "a", 1.0)])).to_list() == [expected]


def test_languages_are_those_of_the_data_report():
    english = "The court held that the contract is void and the parties are bound by this rule."
    frame = table([("s", english, "Yes", 1.0), ("s", "合同是否有效？请说明理由。", "有效", 1.0)])
    assert languages(frame).to_list() == ["en", "zh"]


def test_differences_are_paired_within_each_slice():
    ours = yes_no(24, [1, 0] * 12)  # right on Yes, wrong on No
    theirs = yes_no(24, [0, 1] * 12)
    found = {s.value: s for s in slice_differences(ours, theirs.reverse())}
    yes, no, every = found["law: Yes"], found["law: No"], found["law"]
    assert (yes.difference.value, yes.difference.verdict, yes.difference.n) == (1.0, "better", 12)
    assert (no.difference.value, no.difference.verdict) == (-1.0, "worse")
    assert every.difference.value == 0.0
    assert every.difference.verdict == "cannot tell"
    assert (yes.candidate.value, yes.baseline.value) == (1.0, 0.0)


def test_a_small_slice_says_so_and_one_that_nobody_answered_is_left_out():
    ours = table([("law", f"Is {i}?", "Yes", 1.0) for i in range(9)] + [("rent", "Q", "A", None)])
    found = {s.value: s for s in slice_differences(ours, ours)}
    assert found["law"].is_too_few
    assert "rent" not in found


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.25, 1.0, None]), min_size=1, max_size=40), st.randoms())
def test_the_slices_of_a_dimension_add_up_in_any_order_of_rows(scores, random):
    rows = [(f"s{i % 3}", "word " * (20 * i), f"answer {i % 2}", x) for i, x in enumerate(scores)]
    frame = table(rows).with_columns(pl.col(TASK_SCORE).cast(pl.Float64))
    shuffled = frame.sample(fraction=1, shuffle=True, seed=random.randint(0, 99))
    found = slice_differences(frame, frame)
    assert found == slice_differences(shuffled, frame)
    n_scored = len(scores) - scores.count(None)
    for dimension in ("source", "length"):
        assert sum(s.difference.n for s in found if s.dimension == dimension) == n_scored
