"""`tuneline servers`: releases through MLflow on PostgreSQL, with an S3 API and passwords."""

import stat
from datetime import date
from pathlib import Path

import httpx
import pytest
from mlflow.exceptions import MlflowException

from tests.servers.conftest import Servers
from tuneline import tracking
from tuneline.errors import RegistryError
from tuneline.registry import Registry

pytestmark = pytest.mark.slow
WHO = {"actor": "ann", "reason": "a reason"}
SECRETS = ("MLFLOW_TRACKING_PASSWORD", "TUNELINE_POSTGRES_PASSWORD", "TUNELINE_FLASK_KEY")


@pytest.fixture
def signed_in(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of the MLflow server, with name and password in the environment."""
    for name, value in servers.env.items():
        if name.startswith("MLFLOW_TRACKING_"):
            monkeypatch.setenv(name, value)
    return servers.env["MLFLOW_TRACKING_URI"]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "adapter_config.json").write_text("{}")
    return folder


def test_register_promote_roll_back_and_download(signed_in: str, adapter: Path, tmp_path: Path):
    registry = Registry(signed_in)
    one, two = (
        registry.register(
            "lawyer", adapter=adapter, candidate=f"c{i}", day=date(2025, 4, 1), lineage={},
            run_id=tracking.open_run("lawyer", f"c{i}"), description="", actor="ann",
        )
        for i in range(2)
    )  # fmt: skip
    for version in (one, two):
        registry.promote("lawyer", version.release, evidence="digest", **WHO)
    registry.rollback("lawyer", **WHO)
    assert registry.champion("lawyer") == one
    assert registry.drift("lawyer") == []
    folder = registry.download(one, tmp_path / "downloads")
    assert (folder / "adapter_model.safetensors").read_bytes() == b"weights"


def test_adapters_are_objects_behind_the_s3_api(servers: Servers, signed_in: str, tmp_path: Path):
    import boto3

    file = tmp_path / "notes.txt"
    file.write_text("kept in a bucket")
    run_id = tracking.open_run("lawyer", "notes")
    tracking.connect(signed_in).log_artifact(run_id, str(file))
    storage = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{servers.env['TUNELINE_STORAGE_PORT']}",
        region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any",
    )  # fmt: skip
    keys = [found["Key"] for found in storage.list_objects_v2(Bucket="mlflow")["Contents"]]
    assert [key for key in keys if key.endswith(f"{run_id}/artifacts/notes.txt")]


def test_the_right_password_is_accepted(servers: Servers):
    done = servers.tuneline("status")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("user", "password"), [("admin", "wrong"), ("", "")], ids=str)
def test_a_wrong_password_is_refused_in_one_sentence(servers: Servers, user: str, password: str):
    env = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}
    done = servers.tuneline("status", **env)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    [line] = done.stderr.splitlines()
    assert "does not know this user and password; set MLFLOW_TRACKING_USERNAME" in line


def test_a_user_without_the_permission_is_told_so_in_one_sentence(
    servers: Servers, signed_in: str, adapter: Path
):
    Registry(signed_in).register(
        "tax", adapter=adapter, candidate="c1", day=date(2025, 4, 1), lineage={},
        run_id=tracking.open_run("tax", "c1"), description="", actor="ann",
    )  # fmt: skip
    guest = {"username": "guest", "password": "a-long-password"}
    admin = (servers.env["MLFLOW_TRACKING_USERNAME"], servers.env["MLFLOW_TRACKING_PASSWORD"])
    httpx.post(
        f"{signed_in}/api/2.0/mlflow/users/create", json=guest, auth=admin
    ).raise_for_status()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in guest.items():
            patch.setenv(f"MLFLOW_TRACKING_{name.upper()}", value)
        assert Registry(signed_in).find("tax", "challenger").number == "1", "everyone may read"
        with pytest.raises(RegistryError, match="Permission denied"):
            Registry(signed_in).promote("tax", "challenger", evidence="digest", **WHO)
        with pytest.raises(MlflowException) as caught:
            tracking.open_run("tax", "c2")
    assert "does not let this user do that" in str(tracking.diagnosis(caught.value, signed_in))
    assert Registry(signed_in).champion("tax") is None


def test_passwords_are_in_private_files_and_nowhere_else(servers: Servers):
    folder = servers.workspace / "servers" / "shared"
    for name in ("credentials.env", "mlflow-auth.ini"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    secrets = [servers.env[name] for name in SECRETS]
    for file in folder.glob("*.log"):
        assert not [secret for secret in secrets if secret in file.read_text()]
    for process in servers.processes():
        assert not [secret for secret in secrets if secret in " ".join(process.cmdline())]


def test_starting_again_changes_nothing(servers: Servers):
    before = {process.pid for process in servers.processes() if process.name() != "postgres"}
    done = servers.tuneline("servers", "start", "--s3")
    assert done.returncode == 0, done.stderr
    assert before == {p.pid for p in servers.processes() if p.name() != "postgres"}


def test_a_foreign_server_on_the_port_is_named(servers: Servers, tmp_path: Path):
    workspace = servers.workspace / "another"
    workspace.mkdir()
    done = servers.tuneline(
        "servers", "start", TUNELINE_WORKSPACE=str(workspace),
        TUNELINE_POSTGRES_PORT=servers.env["TUNELINE_STORAGE_PORT"],
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "postgresql server does not answer" in done.stderr
    again = servers.tuneline("servers", "status", TUNELINE_WORKSPACE=str(workspace))
    assert again.stdout.count("not running") == 4


def test_stop_leaves_no_process_and_data_outlives_it(servers: Servers, signed_in: str):
    processes = servers.processes()
    assert len(processes) >= 5
    done = servers.tuneline("servers", "stop")
    assert done.stdout.count("stopped") == 4, done.stdout
    assert [process for process in processes if process.is_running()] == []
    assert servers.tuneline("servers", "status").stdout.count("not running") == 4
    assert servers.tuneline("servers", "start").returncode == 0
    assert str(Registry(signed_in).find("lawyer", "champion").release) == "v1.0-lawyer-20250401"
    storage = servers.workspace / "servers" / "shared" / "storage.pid"
    assert not storage.exists(), "without --s3 artifacts are files"
    servers.tuneline("servers", "stop")
    assert servers.tuneline("servers", "start", "--s3").returncode == 0, "for the tests that follow"
