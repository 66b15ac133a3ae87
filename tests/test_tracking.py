"""Runs on a real MLflow store in SQLite."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tuneline import tracking
from tuneline.errors import TrackingError
from tuneline.records import write_records
from tuneline.tracking import server


@pytest.fixture(scope="module", autouse=True)
def _workspace(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNELINE_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture
def domain(request):
    """An experiment that no other test of the module writes to."""
    return request.node.name


def stored(run_id):
    return tracking.connect(tracking.tracking_uri()).get_run(run_id)


def test_without_a_setting_runs_go_to_the_workspace(monkeypatch, tmp_path):
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    assert tracking.tracking_uri() == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert tracking.tracking_uri() == "http://mlflow:5000"


def test_parameters_metrics_and_files_are_logged(domain, tmp_path):
    (tmp_path / "report.json").write_text("{}")
    with tracking.run(domain, "k1", name="first", tags={"colour": "blue"}) as run_id:
        tracking.log_params(run_id, {"training": {"rank": 16, "seed": 0}, "domain": domain})
        tracking.log_metrics(run_id, {"loss": 0.5}, step=3)
        tracking.log_artifacts(run_id, tmp_path / "report.json")
        tracking.log_artifacts(run_id, tmp_path, "all")
    run = stored(run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "first"
    assert run.data.params == {"training.rank": "16", "training.seed": "0", "domain": domain}
    assert run.data.metrics == {"loss": 0.5}
    assert run.data.tags["colour"] == "blue"
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    assert (folder / "report.json").is_file()
    assert (folder / "all" / "report.json").is_file()
    assert folder.is_relative_to(Path(os.environ["TUNELINE_WORKSPACE"], "mlflow", "artifacts"))


def test_more_parameters_than_mlflow_takes_in_one_call_are_logged(domain):
    run_id = tracking.open_run(domain, "k1")
    tracking.log_params(run_id, {f"p{i}": i for i in range(150)})
    assert len(stored(run_id).data.params) == 150


def test_a_finished_run_is_found_again_by_its_key(domain):
    with tracking.run(domain, "k1") as first:
        pass
    assert tracking.open_run(domain, "k1") == first
    assert stored(first).info.status == "FINISHED"
    assert tracking.open_run(domain, "k2") != first


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")],
)
def test_a_run_that_breaks_off_says_so_and_can_be_continued(error, status):
    key = error.__name__
    with pytest.raises(error), tracking.run("breaks", key) as broken:
        raise error
    assert stored(broken).info.status == status
    with tracking.run("breaks", key) as continued:
        assert stored(continued).info.status == "RUNNING"
    assert continued == broken
    assert stored(broken).info.status == "FINISHED"


def test_runs_of_dead_processes_are_closed_and_others_left_alone(domain):
    mine, gone, reused, elsewhere = (
        tracking.open_run(domain, key) for key in ("mine", "gone", "reused", "elsewhere")
    )
    client = tracking.connect(tracking.tracking_uri())
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    client.set_tag(gone, tracking.PID, str(child.pid))
    client.set_tag(reused, tracking.STARTED, "1000")
    client.set_tag(elsewhere, tracking.PID, str(child.pid))
    client.set_tag(elsewhere, tracking.HOST, "another-machine")
    assert sorted(tracking.close_dead_runs(domain)) == sorted([gone, reused])
    assert stored(gone).info.status == "KILLED"
    assert stored(gone).data.tags[tracking.END_REASON] == (
        f"process {child.pid} on {socket.gethostname()} is gone"
    )
    assert {stored(run_id).info.status for run_id in (mine, elsewhere)} == {"RUNNING"}
    assert tracking.open_run(domain, "gone") == gone


@pytest.mark.slow
def test_processes_that_first_use_a_sqlite_file_at_once_all_can(tmp_path):
    code = "import sys; from tuneline import tracking; tracking.connect(sys.argv[1])"
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path}/new/mlflow.db"]
    root = Path(__file__).parent.parent
    processes = [
        subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors


def test_a_server_that_is_not_there_is_told_within_seconds():
    started = time.monotonic()
    with pytest.raises(TrackingError, match=r"no MLflow server answers at http://127\.0\.0\.1:9"):
        tracking.connect("http://user:secret@127.0.0.1:9/")
    assert time.monotonic() - started < 6


def test_a_server_that_never_answers_is_told(monkeypatch):
    monkeypatch.setattr(server, "HEALTH_TIMEOUT_S", 0.2)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(TrackingError, match="timed out"),
    ):
        tracking.check_server(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_the_password_of_a_server_is_not_shown():
    with pytest.raises(TrackingError) as caught:
        tracking.check_server("http://user:secret@127.0.0.1:9")
    assert "secret" not in str(caught.value)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match="cannot write to"):
        tracking.check_server(f"sqlite:///{tmp_path}/file/mlflow.db")


def test_data_sets_are_inputs_of_the_run_once_however_often_they_are_logged(domain, tmp_path):
    write_records(tmp_path / "train.parquet", [])
    rows = tracking.DataSet("train", "0" * 64, tmp_path, 0)
    with tracking.run(domain, "key") as run_id:
        for _ in range(2):
            tracking.log_dataset(run_id, rows, "training")
    (logged,) = stored(run_id).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("train", "0" * 36)
    assert {tag.key: tag.value for tag in logged.tags} == {"mlflow.data.context": "training"}
    assert json.loads(logged.dataset.source)["uri"] == (tmp_path / "train.parquet").as_uri()


def test_files_of_a_run_are_listed_and_read_again(domain, tmp_path):
    (tmp_path / "verdicts.jsonl").write_text("判")
    with tracking.run(domain, "k1") as run_id:
        tracking.log_artifacts(run_id, tmp_path, "reviews/r1")
    assert tracking.artifact_names(run_id) == ["reviews"]
    assert tracking.artifact_names(run_id, "reviews/r1") == ["reviews/r1/verdicts.jsonl"]
    assert tracking.artifact_names(run_id, "release") == []
    assert tracking.read_artifact(run_id, "reviews/r1/verdicts.jsonl").decode() == "判"
    with pytest.raises(TrackingError, match=rf"run {run_id} has no release/facts.json"):
        tracking.read_artifact(run_id, "release/facts.json")


def test_a_run_is_found_by_the_first_digits_of_its_key_or_of_its_id(domain):
    with tracking.run(domain, "feed0123feed") as run_id:
        pass
    found = [tracking.KeyedRun(run_id, domain, "feed0123feed")]
    assert tracking.find_runs("feed0") == found
    assert tracking.find_runs(run_id[:20]) == found
    assert tracking.find_runs("0123") == []


def test_only_a_server_has_a_page_for_a_run(domain):
    assert tracking.run_link(tracking.open_run(domain, "k1")) is None


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://ann:secret@host:5000/", "http://host:5000"),
        ("postgresql://ann:p@ss@host/mlflow", "postgresql://host/mlflow"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_an_address_is_shown_without_user_and_password(uri, shown):
    assert tracking.without_password(uri) == shown
