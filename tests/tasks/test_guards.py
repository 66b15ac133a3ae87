"""Looks and general questions with a real Prefect server, a real registry and a tiny model."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from prefect import flow

from tasks import data, guards, promotion, release
from tasks.artifacts import look_text, slice_rows
from tuneline import tracking
from tuneline.base_model import BaseModelRef
from tuneline.errors import EvaluationError, ProfileError
from tuneline.evaluation.slices import slice_differences
from tuneline.generation import ModelArtifact
from tuneline.profile import Profile, load_profile
from tuneline.registry import Registry
from tuneline.reports import Look

ROOT = Path(__file__).parent.parent.parent
QUESTIONS = [{"question": f"What is {i} plus 1?", "answer": str(i + 1)} for i in range(8)]


@pytest.fixture(scope="module")
def settings(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    path = tmp_path_factory.mktemp("general") / "questions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*QUESTIONS, QUESTIONS[0]]))
    benchmark = {"name": "sums", "path": str(path), "license": "MIT", "metric": "label_accuracy"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        more = {
            "domain": "guarded",
            "data.benchmarks": [benchmark],
            "evaluation.general": {"benchmark": "sums"},
        }
        return load_profile("smoke", more)


@pytest.fixture(scope="module")
def splits(settings: Profile):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return data.prepare(settings, None)


ask_general = flow(validate_parameters=False)(guards.ask_general)
"""Tables are shown on the page of a run."""


@pytest.fixture
def model(tiny_model: BaseModelRef) -> ModelArtifact:
    return ModelArtifact("base", tiny_model.folder, tiny_model.digest)


def test_a_model_forgot_nothing_against_itself_and_each_question_counts_once(
    settings: Profile, splits, model
):
    found = ask_general(model, model, settings, splits)
    assert found is not None
    assert found.difference.n == len(QUESTIONS)
    assert (found.difference.value, found.blocks) == (0.0, False)
    assert found.candidate == found.base


def test_without_general_questions_none_are_asked(settings: Profile, splits, model):
    silent = settings.evaluation.model_copy(update={"general": None})
    silent_settings = settings.model_copy(update={"evaluation": silent})
    assert ask_general(model, model, silent_settings, splits) is None


def test_questions_that_the_splits_were_not_checked_against_are_refused(
    settings: Profile, splits, model, tmp_path: Path
):
    path = tmp_path / "other.jsonl"
    path.write_text(json.dumps(QUESTIONS[0]) + "\n")
    other = settings.data.benchmarks[0].model_copy(update={"path": str(path)})
    config = settings.data.model_copy(update={"benchmarks": (other,)})
    with pytest.raises(EvaluationError, match="was never compared with the training data"):
        ask_general(model, model, settings.model_copy(update={"data": config}), splits)


def test_general_questions_that_are_no_benchmark_are_an_error_of_the_profile(settings: Profile):
    more = {"evaluation.general": {"benchmark": "sums"}}
    with pytest.raises(
        ProfileError, match=r"'sums', which is not one of data\.benchmarks \(none\)"
    ):
        load_profile(str(ROOT / "profiles/smoke.yaml"), more)


def test_a_look_is_counted_once_per_candidate(settings: Profile, splits):
    looks = [guards.count_look(settings, splits, name) for name in ("a", "b", "a")]
    assert [look.number for look in looks] == [1, 2, 1]
    assert looks[0].max_looks == settings.evaluation.max_looks


def test_the_run_page_says_when_a_holdout_is_worn():
    assert "look 3, 50 are planned" in look_text(Look(0, 3, 50), 120)
    assert "worn" not in look_text(Look(0, 3, 50), 120)
    assert "data.split.holdout_generation to 1" in look_text(Look(0, 51, 50), 120)


def test_a_slice_that_is_too_small_gets_no_verdict():
    scores = pl.DataFrame(
        {
            "digest": [str(i) for i in range(12)],
            "source": ["many"] * 10 + ["few"] * 2,
            "prompt": "Q",
            "reference": [f"answer {i}" for i in range(12)],
            "task_score": 1.0,
        }
    )
    worse = scores.with_columns(task_score=pl.lit(0.0))
    rows = {row["slice"]: row["verdict"] for row in slice_rows(slice_differences(scores, worse))}
    assert (rows["many"], rows["few"]) == ("better", "too few")


def test_a_promotion_by_hand_signs_what_the_version_was_registered_with(tmp_path: Path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    registry = Registry(tracking.tracking_uri())
    version = registry.register(
        "signed",
        adapter=adapter,
        candidate="c",
        day=date(2025, 4, 1),
        lineage={"evidence": "digest of scores and regressions"},
        run_id=tracking.open_run("signed", "c"),
        description="",
        actor="ann",
    )
    promoted = promotion.promote("signed", version.release, "read all regressions", force=True)
    assert promoted == version
    signed = registry.history("signed")[-1]
    assert (signed.kind, signed.evidence) == ("promote", "digest of scores and regressions")
    assert signed.actor == release.whoami()
