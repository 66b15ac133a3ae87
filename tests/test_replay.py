"""What two lineages differ in, without training anything."""

import pytest

from tuneline.replay import KINDS, Difference, Replay, differences, weights

LINEAGE = {
    "domain": "law",
    "train_digest": "t1",
    "validation_digest": "v1",
    "data_files": {"a.jsonl": "d1"},
    "base_model": "hub:m",
    "base_model_digest": "b1",
    "profile": {"training": {"seed": 0, "rank": 8}, "gate": {"min_gain": 0}},
    "code": "abc",
    "code_digests": {"training/trainer": "c1"},
    "python": "3.11.9",
    "packages": {"torch": "2.13", "peft": "0.21"},
    "machine": "cpu, bfloat16",
    "hardware": {"processor": "Xeon", "threads": 2},
}


def test_equal_lineages_differ_in_nothing():
    assert differences(LINEAGE, LINEAGE) == ()


def test_what_does_not_decide_an_adapter_is_no_difference():
    now = LINEAGE | {"code": "def", "profile": LINEAGE["profile"] | {"gate": {"min_gain": 1}}}
    assert differences(LINEAGE, now) == ()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"train_digest": "t2"}, Difference("data", "train_digest", "t1", "t2")),
        (
            {"data_files": {"a.jsonl": "d2"}},
            Difference("data", "data_files.a.jsonl", "d1", "d2"),
        ),
        ({"base_model_digest": "b2"}, Difference("base model", "base_model_digest", "b1", "b2")),
        (
            {"profile": {"training": {"seed": 1, "rank": 8}}},
            Difference("settings", "training.seed", "0", "1"),
        ),
        (
            {"code_digests": {"training/trainer": "c2"}},
            Difference("code", "code_digests.training/trainer", "c1", "c2"),
        ),
        (
            {"packages": {"torch": "2.14", "peft": "0.21"}},
            Difference("package", "packages.torch", "2.13", "2.14"),
        ),
        ({"python": "3.12.1"}, Difference("package", "python", "3.11.9", "3.12.1")),
        (
            {"hardware": {"processor": "Xeon", "threads": 4}},
            Difference("hardware", "hardware.threads", "2", "4"),
        ),
    ],
)
def test_each_difference_is_named_with_its_kind_and_both_values(changed, expected: Difference):
    assert differences(LINEAGE, LINEAGE | changed) == (expected,)
    assert expected.kind in KINDS


def test_files_that_came_or_went_are_missing_on_one_side():
    now = LINEAGE | {"data_files": {"b.jsonl": "d1"}}
    assert differences(LINEAGE, now) == (
        Difference("data", "data_files.a.jsonl", "d1", "missing"),
        Difference("data", "data_files.b.jsonl", "missing", "d1"),
    )


def test_what_an_older_release_did_not_record_is_named():
    older = {key: value for key, value in LINEAGE.items() if key != "hardware"}
    assert differences(older, LINEAGE) == (
        Difference("hardware", "hardware.processor", "not recorded", "Xeon"),
        Difference("hardware", "hardware.threads", "not recorded", "2"),
    )


def replay_of(recorded: dict[str, str], retrained: dict[str, str], *found: Difference) -> Replay:
    return Replay("v1.0-law-20250401", recorded, retrained, found, "/replays")


SAME = {"adapter_model.safetensors": "a" * 64}
OTHER = {"adapter_model.safetensors": "b" * 64}
TORCH = Difference("package", "packages.torch", "2.13", "2.14")


def test_the_same_bytes_are_identical_whatever_else_differs():
    replayed = replay_of(SAME, SAME, TORCH)
    assert replayed.is_identical
    assert replayed.verdict == (
        f"v1.0-law-20250401 is identical: adapter_model.safetensors {'a' * 64}"
    )


def test_other_bytes_are_not_identical_and_the_kinds_of_cause_are_told():
    replayed = replay_of(SAME, OTHER, TORCH)
    assert not replayed.is_identical
    assert replayed.verdict.endswith(f"is now {'b' * 16}. What differs: package")


def test_other_bytes_without_a_cause_blame_the_hardware():
    assert "does not repeat itself" in replay_of(SAME, OTHER).verdict


def test_a_release_without_recorded_weights_is_never_identical():
    assert not replay_of({}, {}).is_identical


def test_only_weights_are_compared():
    assert weights({"adapter_config.json": "1", "adapter_model.safetensors": "2"}) == {
        "adapter_model.safetensors": "2"
    }
