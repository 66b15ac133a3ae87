"""`tuneline search` from end to end: tables, MLflow, kill -9, and the holdout left alone."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tuneline.store import MANIFEST

ROOT = Path(__file__).parent.parent.parent
SETTINGS = (
    "training.max_steps=4",
    "search.trials=3",
    "search.measurements=2",
    "search.ranks=[4]",
    "search.dropouts=[0.0]",
    "search.target_modules=[all-linear, attention]",
)
FAST = (
    "import sys; from tuneline.search import study\n"
    "study.HEARTBEAT_S, study.GRACE_S, study.POLL_S = 1, 5, 0.2\n"
    "from flows.cli import main; main()\n"
)
"""The command, with hearts that beat faster."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def command(*extra: str) -> list[str]:
    settings = [part for text in (*SETTINGS, *extra) for part in ("--set", text)]
    return [sys.executable, "-c", FAST, "search", "smoke", *settings]


def environment(workspace: Path) -> dict[str, str]:
    return {**os.environ, "TUNELINE_WORKSPACE": str(workspace), "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="module", autouse=True)
def _server(prefect_server: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_API_URL", prefect_server)
        yield


def run(workspace: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*extra), cwd=ROOT, env=environment(workspace), capture_output=True, text=True
    )


def mlflow_runs(workspace: Path):
    """The parent, and the trials below it in their order."""
    uri = f"sqlite:///{workspace}/mlflow/mlflow.db"
    client = MlflowClient(uri, uri)
    experiment = client.get_experiment_by_name("smoke")
    runs = client.search_runs([experiment.experiment_id])
    parents = [r for r in runs if "mlflow.parentRunId" not in r.data.tags]
    trials = [r for r in runs if "mlflow.parentRunId" in r.data.tags]
    return client, parents, sorted(trials, key=lambda r: int(r.data.tags["tuneline.trial"]))


def _wait_for_checkpoint(workspace: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 600
    while not list(workspace.glob("search/*/trials/*/checkpoints/checkpoint-*/COMPLETE")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "no checkpoint appeared"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A workspace where a search was killed in a trial and run again."""
    workspace = tmp_path_factory.mktemp("search")
    process = subprocess.Popen(
        command(), cwd=ROOT, env=environment(workspace), stderr=subprocess.PIPE, text=True
    )
    try:
        _wait_for_checkpoint(workspace, process)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return workspace, run(workspace)


def report(workspace: Path) -> dict:
    (path,) = workspace.glob("search/smoke-*/report.json")
    return json.loads(path.read_text())


def test_a_killed_search_that_is_run_again_comes_to_its_end(searched):
    workspace, again = searched
    assert again.returncode == 0, again.stderr
    states = [trial["state"] for trial in report(workspace)["trials"]]
    assert states.count("interrupted") == 1
    assert states.count("complete") + states.count("stopped") == 3
    interrupted = states.index("interrupted")
    trials = report(workspace)["trials"]
    tried_again = [
        t for t in trials[interrupted + 1 :] if t["values"] == trials[interrupted]["values"]
    ]
    assert len(tried_again) == 1


def test_the_best_trials_and_how_to_use_them_are_shown(searched):
    workspace, again = searched
    trials = [t for t in report(workspace)["trials"] if t["state"] == "complete"]
    best = min(trials, key=lambda trial: trial["loss"])
    assert f"{best['loss']:.4f}" in again.stdout
    if best["values"]["learning_rate"] == 0.005:
        assert "The profile's own settings are the best of these." in again.stdout
    else:
        assert "  tuneline retrain smoke --set training." in again.stdout
    picture = Path(again.stdout.split("Picture: ")[1].splitlines()[0])
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_trials_are_runs_below_one_run_of_mlflow_and_none_is_left_running(searched):
    client, parents, trials = mlflow_runs(searched[0])
    (parent,) = parents
    assert len(trials) == 3, "the trial that was tried again continued the run of the killed one"
    assert {r.data.tags["mlflow.parentRunId"] for r in trials} == {parent.info.run_id}
    assert {r.info.status for r in (parent, *trials)} == {"FINISHED"}
    losses = [r.data.metrics["validation_loss"] for r in trials]
    assert parent.data.metrics["best_validation_loss"] in losses
    names = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert names == {"report.json", "search.png"}


def test_nothing_of_the_trials_is_left_in_the_workspace(searched):
    folders = [p for p in searched[0].glob("search/smoke-*/trials/*") if p.is_dir()]
    assert folders == []


def test_a_search_never_reads_the_holdout(searched):
    """Whoever would open it finds no Parquet; a larger budget makes more trials all the same."""
    workspace, _ = searched
    (holdout,) = workspace.glob("store/data/*/holdout.parquet")
    assert (holdout.parent / MANIFEST).is_file()
    kept = holdout.read_bytes()
    holdout.write_bytes(b"for no one's eyes")
    try:
        more = run(workspace, "search.trials=4")
    finally:
        holdout.write_bytes(kept)
    assert more.returncode == 0, more.stderr
    states = [trial["state"] for trial in report(workspace)["trials"]]
    assert states.count("complete") + states.count("stopped") == 4


def test_without_validation_there_is_nothing_to_search_by(tmp_path: Path):
    refused = run(tmp_path, "data.split.validation_fraction=0")
    assert refused.returncode == 1
    assert "raise data.split.validation_fraction or add data" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_two_searches_at_once_share_one_study_and_one_budget(tmp_path: Path):
    processes = [
        subprocess.Popen(
            command("search.trials=4"),
            cwd=ROOT,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    trials = report(tmp_path)["trials"]
    assert {trial["state"] for trial in trials} <= {"complete", "stopped"}
    assert len(trials) == 4
    _, parents, below = mlflow_runs(tmp_path)
    assert len(parents) == 1
    assert len(below) == 4
    assert {run.info.status for run in (*parents, *below)} == {"FINISHED"}
