"""Bad input: one sentence, exit code 1, before training starts, nothing registered."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import cli
from flows.shell import prefect_server
from tuneline.errors import TunelineError
from tuneline.registry import Registry
from tuneline.tracking import tracking_uri

ROOT = Path(__file__).parent.parent.parent
ROW = {"instruction": "Is it?", "input": "", "output": "Yes"}


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The smoke profile under another domain, with one Alpaca file of good rows."""
    settings = yaml.safe_load((ROOT / "profiles" / "smoke.yaml").read_text())
    settings["domain"] = "errors"
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(ROW | {"input": str(i)}) + "\n" for i in range(60)))
    settings["data"] = {"sources": [{"name": "rows", "path": str(data), "license": "CC0-1.0"}]}
    path = tmp_path / "errors.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def fails(monkeypatch, capsys, *arguments: str) -> str:
    """Run the command, expect exit code 1, return the one sentence."""
    monkeypatch.setattr(sys, "argv", ["tuneline", "retrain", *arguments])
    monkeypatch.setattr(cli, "_set_up_terminal", lambda: None)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def test_an_unknown_profile_names_the_known_ones(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    error = fails(monkeypatch, capsys, "laywer")
    assert "profiles/laywer.yaml does not exist" in error
    assert "demo, lawyer, smoke" in error


def test_an_unknown_key_names_file_key_and_what_is_allowed(profile, monkeypatch, capsys):
    error = fails(monkeypatch, capsys, str(profile), "--set", "training.epoch=1")
    assert f"{profile}: training.epoch is not a setting; allowed there: " in error
    assert "epochs" in error


def test_a_wrong_value_is_shown_with_what_is_allowed(profile, monkeypatch, capsys):
    error = fails(monkeypatch, capsys, str(profile), "--set", "training.rank=0")
    assert "training.rank = 0: input should be greater than or equal to 1" in error


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "no such file"),
        (b"", "empty"),
        (json.dumps(ROW).encode() + b'\n{"instruction": "Is', "rows.jsonl:2"),
    ],
    ids=["missing", "empty", "cut in half"],
)
def test_a_data_file_that_cannot_be_used_is_named(
    content, expected, profile, prefect_server, monkeypatch, capsys
):
    data = profile.parent / "rows.jsonl"
    data.unlink()
    if content is not None:
        data.write_bytes(content)
    assert expected in fails(monkeypatch, capsys, str(profile))
    _nothing_registered()


def test_too_many_rows_without_an_answer_stop_the_run_and_are_kept_aside(
    profile, prefect_server, monkeypatch, capsys
):
    data = profile.parent / "rows.jsonl"
    bad = json.dumps(ROW | {"output": ""}) + "\n"
    data.write_text(data.read_text() + 10 * bad)
    error = fails(monkeypatch, capsys, str(profile))
    assert "10 of 70 rows are unusable" in error
    quarantine = next(
        word for word in error.split() if word.endswith("quarantine/errors/rows.jsonl;")
    )
    assert len(Path(quarantine.rstrip(";")).read_text().splitlines()) == 10
    _nothing_registered()


def test_a_holdout_that_would_be_empty_is_refused(profile, prefect_server, monkeypatch, capsys):
    (profile.parent / "rows.jsonl").write_text(json.dumps(ROW) + "\n")
    error = fails(monkeypatch, capsys, str(profile))
    assert "would be empty: 1 records were read" in error
    _nothing_registered()


def test_an_unknown_base_model_offline_is_one_sentence(
    profile, prefect_server, monkeypatch, capsys
):
    settings = yaml.safe_load(profile.read_text())
    settings["base_model"] = {"source": "hub", "name": "no/such-model", "revision": "0" * 40}
    profile.write_text(yaml.safe_dump(settings))
    error = fails(monkeypatch, capsys, str(profile))
    assert "base model no/such-model@" in error
    assert "neither in the local cache" in error
    _nothing_registered()


def test_a_tracking_server_that_does_not_answer_is_one_sentence(
    profile, prefect_server, monkeypatch, capsys
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    error = fails(monkeypatch, capsys, str(profile))
    assert "no MLflow server answers at http://127.0.0.1:9" in error


def _nothing_registered() -> None:
    assert Registry(tracking_uri()).history("errors") == []


def test_a_prefect_server_that_does_not_answer_is_named_with_the_way_out():
    away = {PREFECT_API_URL: "http://127.0.0.1:9/api"}
    with (
        temporary_settings(away),
        pytest.raises(TunelineError, match=r"answers at http://127\.0\.0\.1:9/api.*unset PREFECT_"),
    ):
        prefect_server()
