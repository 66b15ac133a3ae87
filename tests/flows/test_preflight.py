"""`tuneline preflight`: tables and an exit code, from a profile, without weights."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows import cli
from tasks import preflight as task
from tuneline.base_model import materialize_tokenizer
from tuneline.data.prepare import prepare
from tuneline.profile import load_profile
from tuneline.progress import silent
from tuneline.reports import TrainingReport, save_report
from tuneline.store import Store

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def preflight(monkeypatch, capsys, tmp_path):
    """Runs the command; returns exit code, standard output and standard error."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setattr(cli, "_set_up_terminal", lambda: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tuneline", "preflight", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as stopped:
            return stopped.code or 0, *capsys.readouterr()
        return 0, *capsys.readouterr()

    return run


def test_a_profile_that_would_run_gets_tables_and_exit_code_0(preflight, tmp_path):
    code, out, _ = preflight("smoke", "--set", "training.price_per_hour=2")
    assert code == 0
    for part in ("'<|im_end|>' carries loss in each of 181 rows", "32,768", "every number is an es",
                 "cost"):  # fmt: skip
        assert part in out
    workspace = tmp_path / "workspace"
    assert not list(workspace.rglob("*.safetensors")), "no weights"
    assert not list((workspace / "memory").rglob("*.parquet")), "nothing is remembered"


def test_everything_that_would_stop_a_run_is_one_sentence_and_exit_code_1(preflight):
    code, out, err = preflight(
        "smoke",
        *("--set", "training.target_modules=[c_attn]"),
        *("--set", "allowed_licenses=[MIT]"),
        *("--set", "data.split.holdout_fraction=0.0001"),
    )
    assert code == 1
    assert (err.count("error: "), "Traceback" in err) == (1, False)
    for part in ("target modules: training.target_modules names c_attn", "licence of the data:",
                 "licence of the base model: Apache-2.0 by profile"):  # fmt: skip
        assert part in err
    assert "error" in out


def test_a_wrong_setting_is_named(preflight):
    code, _, err = preflight("smoke", "--set", "training.colour=red")
    assert (code, "training.colour is not a setting" in err) == (1, True)


def test_data_that_would_stop_a_run_stop_preflight_too(preflight, tmp_path):
    profile = yaml.safe_load((ROOT / "profiles" / "smoke.yaml").read_text())
    rows = "".join(f'{{"question": "Q {n}?", "answer": "A {n * 37}"}}\n' for n in range(40))
    (tmp_path / "rows.jsonl").write_text(rows + '{"question": "Q"}\n' * 9)
    source = {"name": "rows", "path": str(tmp_path / "rows.jsonl"), "license": "MIT"}
    profile["data"] = {"sources": [source]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(profile))
    code, _, err = preflight(tmp_path / "own.yaml")
    assert (code, "data: " in err, "9 of 49 rows are unusable" in err) == (1, True, True)


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['tuneline', 'preflight', '--help']\n"
        "from flows.cli import app\n"
        "try: app()\n"
        "except SystemExit as done: assert done.code == 0\n"
        "heavy = {'torch', 'transformers', 'prefect', 'mlflow', 'polars'}\n"
        "assert not heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


@pytest.fixture
def splits(monkeypatch, tmp_path):
    """The smoke profile, its sides and its model without weights, in a workspace of their own."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    profile, store = load_profile("smoke"), Store(tmp_path)
    model = materialize_tokenizer(profile.base_model, store)
    return profile, prepare(profile.domain, profile.data, store, model, 1024), model


def finished(store: Store, train_s: float, n_steps: int = 24):
    """The output of a training that took so long."""
    report = TrainingReport(n_steps, 181, 32_768, train_s, 1000.0, (), (), "cpu")
    return store.build(
        "train", {"s": train_s}, lambda out: save_report(out / "report.json", report)
    )


def test_an_unchanged_run_is_not_looked_at_twice_and_its_own_speed_changes_nothing(
    splits, monkeypatch, tmp_path
):
    monkeypatch.setattr(task, "show_table", lambda *args: None)
    first = task.build(*splits, silent)
    measure(splits[0], first, finished(Store(tmp_path), 50.0))
    again = task.build(*splits, silent)
    assert (first.is_reused, again.is_reused, again.key == first.key) == (False, True, True)


def test_the_next_run_is_forecast_by_the_speed_of_the_last(splits, monkeypatch, tmp_path):
    monkeypatch.setattr(task, "show_table", lambda *args: None)
    profile, sides, model = splits
    first = task.build(profile, sides, model, silent)
    measure(profile, first, finished(Store(tmp_path), 50.0))
    other = load_profile("smoke", {"training.learning_rate": 0.1, "training.max_steps": 48})
    made = task.report_of(task.build(other, sides, model, silent)).forecast
    assert made.speed_basis.startswith("measured by 1 earlier run on ")
    assert made.train_s == pytest.approx(100.0, rel=0.05)


def measure(profile, checked, adapter):
    """The task outside of a flow."""
    return task.measure.__wrapped__(profile, checked, adapter)
