"""A planted secret is found in nothing that a retraining leaves behind."""

import os
import subprocess
from pathlib import Path

import pytest

from flows.shared_database import USER, programs
from tests.servers.conftest import Servers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PLANTED = {
    "AWS_SECRET_ACCESS_KEY": "planted-aws-3f9c",
    "HF_TOKEN": "hf_planted-token-77ab",
    "JUDGE_API_KEY": "sk-planted-judge-51de",
    "PREFECT_API_KEY": "pnu_planted-prefect-90aa",
}


@pytest.fixture(scope="module")
def planted(servers: Servers) -> dict[str, str]:
    """Environment of a run: secrets in variables, and user and password in the tracking URI."""
    address = servers.env["MLFLOW_TRACKING_URI"].removeprefix("http://")
    password = servers.env["MLFLOW_TRACKING_PASSWORD"]
    env = (
        dict(servers.env) | PLANTED | {"MLFLOW_TRACKING_URI": f"http://admin:{password}@{address}"}
    )
    del env["MLFLOW_TRACKING_USERNAME"], env["MLFLOW_TRACKING_PASSWORD"]
    return env


@pytest.fixture(scope="module")
def left_behind(
    servers: Servers, planted: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """Everything that a retraining wrote: name -> content."""
    workspace = tmp_path_factory.mktemp("run")
    planted["TUNELINE_WORKSPACE"] = str(workspace)
    done = Servers(workspace, planted).tuneline("retrain", "smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {"stdout": done.stdout.encode(), "stderr": done.stderr.encode()}
    for file in [*workspace.rglob("*"), *servers.workspace.glob("servers/shared/*.log")]:
        if file.is_file():
            found[str(file)] = file.read_bytes()
    for database in ("mlflow", "prefect"):
        found[f"database {database}"] = _dump(servers, database)
    return found | _objects(servers)


def _dump(servers: Servers, database: str) -> bytes:
    folder = programs()
    assert folder is not None
    port, password = (servers.env[f"TUNELINE_POSTGRES_{name}"] for name in ("PORT", "PASSWORD"))
    command = [str(folder / "pg_dump"), "-h", "127.0.0.1", "-p", port, "-U", USER, database]
    done = subprocess.run(
        command, env=os.environ | {"PGPASSWORD": password}, capture_output=True, check=True
    )
    return done.stdout


def _objects(servers: Servers) -> dict[str, bytes]:
    import boto3

    storage = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{servers.env['TUNELINE_STORAGE_PORT']}",
        region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any",
    )  # fmt: skip
    pages = storage.get_paginator("list_objects_v2").paginate(Bucket="mlflow")
    keys = [found["Key"] for page in pages for found in page["Contents"]]
    return {
        f"object {key}": storage.get_object(Bucket="mlflow", Key=key)["Body"].read() for key in keys
    }


def test_what_a_run_leaves_is_all_looked_at(left_behind: dict[str, bytes]):
    names = " ".join(left_behind)
    for part in ("manifest.json", "adapter_model.safetensors", "object ", "report.html"):
        assert part in names
    assert b"smoke-verdict" in left_behind["database prefect"]
    assert b"v1.0-smoke-" in left_behind["database mlflow"]


@pytest.mark.parametrize("secret", [*PLANTED, "password in the tracking URI"])
def test_a_planted_secret_is_nowhere(servers: Servers, left_behind: dict[str, bytes], secret: str):
    value = PLANTED.get(secret, servers.env["MLFLOW_TRACKING_PASSWORD"]).encode()
    assert [name for name, content in left_behind.items() if value in content] == []


def test_errors_about_the_server_do_not_show_the_password(planted: dict[str, str], tmp_path: Path):
    wrong = dict(planted) | {"MLFLOW_TRACKING_URI": "http://admin:hush-8d1e@127.0.0.1:9"}
    done = Servers(tmp_path, wrong).tuneline("status")
    assert done.returncode == 1
    assert "no MLflow server answers at http://127.0.0.1:9" in done.stderr
    refused = planted["MLFLOW_TRACKING_URI"].partition("@")[2]
    wrong["MLFLOW_TRACKING_URI"] = f"http://admin:hush-8d1e@{refused}"
    done_too = Servers(tmp_path, wrong).tuneline("status")
    assert "does not know this user and password" in done_too.stderr
    assert "hush-8d1e" not in done.stdout + done.stderr + done_too.stdout + done_too.stderr
