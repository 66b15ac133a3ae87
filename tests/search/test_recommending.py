"""`tuneline recommend`: what is read from data and base model, and what is shown."""

import json
import sys
from pathlib import Path

import pytest

from flows import cli
from flows.recommending import changed, rows, situation_of
from tuneline.base_model import BaseModelRef
from tuneline.profile import load_profile, parse_override
from tuneline.records import Message, Record
from tuneline.reports import DataReport
from tuneline.search.recommend import recommend
from tuneline.training.config import TrainingConfig

ROOT = Path(__file__).parent.parent.parent


def record(source: str, answer: str, line: int) -> Record:
    return Record((Message("user", f"Q{line}"), Message("assistant", answer)), source, "f", line)


def data_report(**fields) -> DataReport:
    return DataReport(0, 0, {}, {}, {}, **fields)


@pytest.fixture
def smoke():
    return load_profile(str(ROOT / "profiles" / "smoke.yaml"))


def test_what_decides_is_read_from_data_settings_and_base_model(smoke, tiny_model: BaseModelRef):
    train = [record("overruling", "Yes", n) for n in range(30)]
    report = data_report(labels={"overruling": {"Yes": 30}})
    situation = situation_of(smoke, report, train, tiny_model.folder)
    assert (situation.n_rows, situation.kind) == (30, "classification")
    assert (situation.hidden_size, situation.batch_records) == (64, 4)
    # 512 or fewer tokens x 64, tied or not, and two layers of about 37,000
    assert 100_000 < (situation.n_parameters or 0) < 200_000
    assert situation.answer_tokens is not None and 1 <= situation.answer_tokens <= 3


def test_a_base_model_that_is_not_at_hand_leaves_the_data(smoke):
    situation = situation_of(smoke, data_report(), [record("overruling", "Because.", 1)], None)
    assert (situation.n_parameters, situation.answer_tokens) == (None, None)
    assert situation.kind == "questions"


@pytest.mark.parametrize(
    ("answers", "median_chars", "kind"),
    [
        ([json.dumps({"amount": 3})] * 8 + ["none"] * 2, 13, "extraction"),
        ([json.dumps({"amount": 3})] * 7 + ["none"] * 3, 13, "questions"),
        (["{not JSON}"] * 10, 10, "questions"),
        (["3"] * 10, 1, "questions"),
        (["Step by step. " * 100] * 10, 1_400, "reasoning"),
    ],
)
def test_the_kind_is_told_by_the_answers(smoke, answers: list[str], median_chars: int, kind: str):
    train = [record("overruling", answer, n) for n, answer in enumerate(answers)]
    report = data_report(answer_chars={"overruling": median_chars})
    assert situation_of(smoke, report, train, None).kind == kind


def test_only_what_is_trained_on_counts(smoke):
    settings = smoke.model_copy(
        update={
            "training": smoke.training.model_copy(
                update={"source_fractions": {"overruling": 0.25}, "objective": "dpo"}
            )
        }
    )
    train = [record("overruling", "a", n) for n in range(8)]
    situation = situation_of(settings, data_report(), train, None)
    assert (situation.n_rows, situation.is_preference) == (2, True)


def test_what_is_as_recommended_needs_no_override(smoke):
    train = [record("overruling", "Because.", n) for n in range(600)]
    chosen = recommend(situation_of(smoke, data_report(), train, None))
    as_it_is = TrainingConfig(max_steps=9, learning_rate=0.01)
    assert changed(as_it_is, chosen) == ["training.learning_rate=0.0002", "training.max_steps="]
    assert rows(as_it_is, chosen)[-1]["now"] == "9"
    settings = dict(parse_override(text) for text in changed(as_it_is, chosen))
    changes = {key.removeprefix("training."): value for key, value in settings.items()}
    better = TrainingConfig.model_validate(as_it_is.model_dump() | changes)
    assert changed(better, chosen) == []
    assert len(rows(better, chosen)) == len(rows(as_it_is, chosen)) - 1


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("full", ["learning_rate", "epochs"]),
        ("galore", ["rank", "learning_rate", "epochs"]),
        ("dora", ["rank", "alpha", "target_modules", "learning_rate", "epochs", "dropout"]),
    ],
)
def test_only_settings_of_the_profile_s_method_are_shown(smoke, method: str, settings: list[str]):
    training = TrainingConfig(method=method)
    situation = situation_of(
        smoke.model_copy(update={"training": training}),
        data_report(),
        [record("overruling", "Because.", 1)],
        None,
    )
    assert situation.has_adapter == (method == "dora")
    assert [row["setting"] for row in rows(training, recommend(situation))] == settings


def test_the_command_shows_a_table_and_the_line_to_use_and_remembers_nothing(
    monkeypatch, capsys, tmp_path: Path
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(cli, "_set_up_terminal", lambda: None)
    monkeypatch.setattr(sys, "argv", ["tuneline", "recommend", "smoke"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert not stopped.value.code
    out = capsys.readouterr().out
    assert "training rows of classification" in out
    assert "tuneline retrain smoke --set training.rank=8" in out
    assert "--set training.dropout=0.1" in out
    assert "training.max_steps=" in out.splitlines()[-1]
    assert not list((tmp_path / "memory").rglob("*.parquet"))
