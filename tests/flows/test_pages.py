"""What people see of a run: the pages of both UIs, in a real browser."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.flows.conftest import Server

ROOT = Path(__file__).parent.parent.parent
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1600"),
    "--virtual-time-budget=30000",
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(BROWSER is None, reason="no browser (Debian: apt-get install chromium)"),
]


def page(url: str, picture: Path) -> str:
    """What a browser makes of a page: its elements as text; a picture of it is written too."""
    seen = [str(BROWSER), *OPTIONS, f"--user-data-dir={picture.parent / 'profile'}"]
    subprocess.run([*seen, f"--screenshot={picture}", url], check=True, capture_output=True)
    done = subprocess.run([*seen, "--dump-dom", url], check=True, capture_output=True, text=True)
    return done.stdout


def test_the_pages_of_a_run_and_of_its_version_tell_what_happened(
    prefect: Server, mlflow: Server, tmp_path: Path
):
    ui, tracking = (server.health.partition("/health")[0] for server in (prefect, mlflow))
    api = prefect.env["PREFECT_API_URL"]
    env = {
        "PREFECT_API_URL": api,
        "MLFLOW_TRACKING_URI": tracking,
        "TUNELINE_WORKSPACE": str(tmp_path / "workspace"),
    }
    command = [sys.executable, "-m", "flows.cli", "retrain", "smoke"]
    subprocess.run(command, cwd=ROOT, env=os.environ | env, check=True, stdout=subprocess.DEVNULL)
    run = page(f"{ui.removesuffix('/api')}/runs/flow-run/{run_id(api)}", tmp_path / "run.png")
    for part in ("retrain smoke", "Completed", "train", "record promote"):
        assert part in run, part
    version = page(f"{tracking}/#/models/smoke/versions/1", tmp_path / "version.png")
    for part in ("v1.0-smoke-", "champion", "Verdict against base: promote"):
        assert part in version, part


def run_id(api: str) -> str:
    """Of the only retraining."""
    only = FlowFilter(name=FlowFilterName(any_=["retrain"]))
    with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
        [run] = client.read_flow_runs(flow_filter=only)
    return str(run.id)
