"""Settings to begin with: expected values are worked out by hand from the sources named."""

from dataclasses import fields, replace

import pytest

from tuneline.search.recommend import (
    Choice,
    Recommendation,
    Situation,
    main_kind,
    recommend,
)
from tuneline.training.config import TrainingConfig

QWEN_7B = Situation(
    n_rows=3_000,
    kind="questions",
    answer_tokens=150,
    n_parameters=7_600_000_000,
    hidden_size=3584,
    batch_records=16,
)


def values(situation: Situation) -> dict[str, object]:
    chosen = recommend(situation)
    return {field.name: getattr(chosen, field.name).value for field in fields(chosen)}


def test_a_few_thousand_questions_on_a_7b_model():
    assert values(QWEN_7B) == {
        "rank": 32,
        "alpha": 32,
        "target_modules": "all-linear",
        # 5e-5 x 10 x (2000 / 3584) ^ 0.78 = 3.17e-4
        "learning_rate": 3.2e-4,
        "epochs": 3,
        "dropout": 0.05,
    }


def test_a_few_hundred_labels_on_a_135m_model():
    situation = Situation(400, "classification", 3, 135_000_000, 576, batch_records=4)
    assert values(situation) == {
        "rank": 8,
        "alpha": 32,
        "target_modules": "all-linear",
        # 100 steps an epoch, so no short run: 5e-5 x 10 x (2000 / 576) ^ 0.78 = 1.32e-3
        "learning_rate": 1.3e-3,
        "epochs": 3,
        "dropout": 0.1,
    }


@pytest.mark.parametrize(
    ("n_rows", "dropout"), [(10, 0.1), (499, 0.1), (500, 0.05), (9_999, 0.05), (10_000, 0.0)]
)
def test_dropout_falls_with_the_rows_and_is_a_tenth_under_500(n_rows: int, dropout: float):
    assert recommend(replace(QWEN_7B, n_rows=n_rows)).dropout.value == dropout


@pytest.mark.parametrize(
    ("kind", "n_rows", "rank"),
    [
        ("classification", 400, 8),
        ("classification", 50_000, 8),
        ("extraction", 5_000, 16),
        ("questions", 1_999, 16),
        ("questions", 2_000, 32),
        ("reasoning", 9_999, 32),
        ("reasoning", 10_000, 64),
    ],
)
def test_the_rank_grows_with_what_is_to_be_learned(kind, n_rows: int, rank: int):
    situation = replace(QWEN_7B, kind=kind, n_rows=n_rows, answer_tokens=20)
    assert recommend(situation).rank.value == rank


def test_more_answer_tokens_than_parameters_raise_the_rank():
    # 20 / 12 x 1.0e9 / 2048 = 813,802 parameters a rank; 100,000 x 600 tokens = 73.7 of them.
    situation = Situation(100_000, "reasoning", 600, 1_000_000_000, 2048, 32)
    rank = recommend(situation).rank
    assert rank.value == 128
    assert "60,000,000 answer tokens" in rank.why
    assert recommend(replace(situation, answer_tokens=9_000)).rank.value == 256, "the cap"
    assert recommend(replace(situation, answer_tokens=None)).rank.value == 64


@pytest.mark.parametrize(
    ("n_rows", "batch", "epochs"),
    [
        (8_333, 16, 3),  # 3 x 8,333 = 24,999
        (8_334, 16, 2),
        (12_500, 16, 2),
        (12_501, 16, 1),
        (1_000_000, 16, 1),
        (267, 16, 3),  # 50 steps x 16 / 267 = 2.996
        (266, 16, 4),  # 3.008
        (100, 16, 8),
        (20, 16, 10),  # 40 would be asked for
    ],
)
def test_few_rows_are_seen_more_often_and_many_less(n_rows: int, batch: int, epochs: int):
    situation = replace(QWEN_7B, n_rows=n_rows, batch_records=batch)
    assert recommend(situation).epochs.value == epochs


def test_a_short_run_takes_a_higher_learning_rate():
    # 7 steps an epoch, 8 epochs: 56 steps; 5e-5 x 15 x (2000 / 3584) ^ 0.78 = 4.76e-4
    rate = recommend(replace(QWEN_7B, n_rows=100)).learning_rate
    assert rate.value == 4.8e-4
    assert "a run of 56 steps" in rate.why


@pytest.mark.parametrize(
    ("n_parameters", "rate"), [(None, 2e-4), (13_000_000_000, 2e-4), (33_000_000_000, 1e-4)]
)
def test_without_the_width_the_qlora_paper_decides(n_parameters, rate: float):
    situation = replace(QWEN_7B, hidden_size=None, n_parameters=n_parameters)
    assert recommend(situation).learning_rate.value == rate


def test_preferences_take_a_far_lower_learning_rate():
    assert recommend(replace(QWEN_7B, is_preference=True)).learning_rate.value == 5e-6


def test_the_model_s_own_weights_take_a_tenth_of_an_adapter_s_learning_rate():
    # 5e-5 x (2000 / 3584) ^ 0.78 = 3.17e-5
    assert recommend(replace(QWEN_7B, has_adapter=False)).learning_rate.value == 3.2e-5
    unknown = replace(QWEN_7B, has_adapter=False, hidden_size=None)
    assert recommend(unknown).learning_rate.value == 2e-5


@pytest.mark.parametrize("n_rows", [1, 30, 700, 40_000])
@pytest.mark.parametrize("kind", ["classification", "extraction", "questions", "reasoning"])
def test_every_setting_is_one_of_the_profile_with_a_reason_and_a_source(kind, n_rows: int):
    chosen = recommend(replace(QWEN_7B, kind=kind, n_rows=n_rows))
    settings = {field.name: getattr(chosen, field.name) for field in fields(Recommendation)}
    TrainingConfig(**{name: choice.value for name, choice in settings.items()})
    for choice in settings.values():
        assert isinstance(choice, Choice)
        assert choice.why and choice.source


def test_the_kind_of_most_records_counts():
    rows = [("classification", 500), ("questions", 300), ("questions", 201)]
    assert main_kind(rows) == "questions"
