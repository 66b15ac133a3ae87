"""What is told of two releases, from hand-made lineages and reports."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.release.test_promotion import report
from tuneline.release.difference import (
    Answers,
    Changed,
    changes,
    count_changes,
    metric_rows,
)
from tuneline.reports import DataReport

OLD = {
    "data_digest": "a" * 64,
    "data_files": {"cases.jsonl": "1" * 64},
    "packages": {"torch": "2.13.0", "peft": "0.21.2"},
    "profile": {"training": {"rank": 16, "lr": 2e-4}, "gate": {}},
}
JSON = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def test_what_differs_is_told_by_kind_and_name_with_short_digests():
    new = {
        "data_digest": "b" * 64,
        "data_files": {"cases.jsonl": "1" * 64, "more.jsonl": "2" * 64},
        "packages": {"torch": "2.14.0", "peft": "0.21.2"},
        "profile": {"training": {"rank": 32, "lr": 2e-4}, "gate": {}},
    }
    assert changes(OLD, new) == [
        Changed("data", "data_digest", "a" * 12, "b" * 12),
        Changed("data", "data_files.more.jsonl", "none", "2" * 12),
        Changed("settings", "training.rank", "16", "32"),
        Changed("packages", "packages.torch", "2.13.0", "2.14.0"),
    ]


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(list(OLD)), JSON, max_size=2))
def test_a_lineage_does_not_differ_from_itself(lineage):
    assert changes(lineage, lineage) == []


def test_counts_that_changed_are_told():
    old = DataReport(100, 90, {"cleaning": {"refusal": 10}}, {"train": {"faq": 90}}, {})
    new = DataReport(120, 90, {"cleaning": {"refusal": 30}}, {"train": {"faq": 90}}, {})
    assert count_changes(old, new) == [
        Changed("records", "read", "100", "120"),
        Changed("records", "dropped by cleaning", "10", "30"),
    ]


def test_scores_of_other_rows_are_shown_and_not_compared():
    old, new = report("candidate", 0.4), report("candidate", 0.7)
    [row] = metric_rows(old, new)
    assert row == {
        "metric": "task_score", "before": "0.400", "after": "0.700", "difference": "+0.300",
    }  # fmt: skip
    [other] = metric_rows(old, replace(new, holdout_digest="another"))
    assert (other["after"], other["difference"]) == ("0.700", "not comparable")


def test_the_share_of_equal_answers_of_no_common_record_is_zero():
    assert (Answers(0, 0).share, Answers(4, 3).share) == (0.0, 0.75)
