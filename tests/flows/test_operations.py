"""Retrainings as people steer them: afresh, explained, refused in one sentence, and on a signal."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import torch
import yaml
from prefect.automations import Automation, CallWebhook, EventTrigger, Posture
from prefect.blocks.webhook import Webhook

from flows.retrain import Retrained, retrain
from tasks import run_log, signals
from tuneline.store import FRESH, KEPT_STAGES

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def in_root(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The smoke profile in two steps, under a domain of its own."""
    settings = yaml.safe_load((ROOT / "profiles" / "smoke.yaml").read_text())
    settings["domain"] = "operations"
    settings["training"]["max_steps"] = 2
    settings["quantization"]["variants"] = []
    path = tmp_path_factory.mktemp("profiles") / "operations.yaml"
    path.write_text(yaml.safe_dump(settings))
    return str(path)


@pytest.fixture(scope="module")
def first(prefect_server: str, profile: str) -> Retrained:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return retrain(profile)


def test_an_unchanged_run_says_that_no_input_of_a_stage_changed(first: Retrained, profile: str):
    retrain(profile)
    found = run_log.explain("operations")
    assert {e.stage.name for e in found} >= {"prepare data", "train", "answers of candidate"}
    assert {e.why for e in found if e.inputs} == {
        f"none of its {len(e.inputs)} inputs changed" for e in found if e.inputs
    }


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch is asked for the GPU's name")
def test_an_unchanged_run_imports_nothing_that_takes_seconds(first: Retrained, profile: str):
    code = (
        "import sys; from flows.retrain import retrain; retrain(sys.argv[1]); "
        "print({'torch', 'transformers', 'scipy.stats', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, profile], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_changed_setting_is_the_reason_of_what_ran_again_and_of_nothing_else(
    first: Retrained, profile: str
):
    retrain(profile)
    retrain(profile, {"evaluation.generation.max_new_tokens": 3})
    why = {e.stage.name: e for e in run_log.explain("operations")}
    assert why["train"].stage.is_reused
    assert why["answers of candidate"].why == "generation.max_new_tokens: 4 -> 3"


@pytest.mark.slow
def test_a_fresh_run_builds_every_stage_and_leaves_the_store_to_the_next_run(
    first: Retrained, profile: str, monkeypatch: pytest.MonkeyPatch
):
    again = retrain(profile, fresh=True)
    reused = {s.name for s in again.stages if s.is_reused and s.stage not in KEPT_STAGES}
    assert not {"prepare data", "train", "merge candidate", "answers of candidate"} & reused
    why = {e.stage.name: e.why for e in run_log.explain("operations")}
    assert why["train"].startswith("fresh: absent -> ")
    usual = retrain(profile)
    rebuilt = {s.stage for s in usual.stages if not s.is_reused}
    assert rebuilt <= {"release_report"}, "which tells who is challenger now"
    assert FRESH not in os.environ


def test_a_failed_run_says_in_its_state_what_to_do(prefect_server: str, profile: str):
    state = retrain(profile, {"training.rank": 0}, return_state=True)
    assert state.is_failed()
    assert state.message == (
        f"{profile}: training.rank = 0: input should be greater than or equal to 1"
    )


def test_a_webhook_hears_the_sentence_of_a_failed_run(prefect_server: str, profile: str):
    """The automation that docs/how-to/operations.md shows."""
    heard: list[bytes] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    block = Webhook(method="POST", url=url).save("operations", overwrite=True)
    automation = Automation(
        name="tell on call of failed runs",
        trigger=EventTrigger(
            expect={"prefect.flow-run.Failed", "prefect.flow-run.Crashed"},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            CallWebhook(
                block_document_id=block,
                payload="{{ flow_run.name }}: {{ flow_run.state.message }}",
            )
        ],
    ).create()
    retrain(profile, {"training.rank": 0}, return_state=True)
    _wait(lambda: bool(heard), 60)
    automation.delete()
    server.shutdown()
    server.server_close()
    assert b"training.rank = 0: input should be greater than or equal to 1" in heard[0]


def test_a_signal_starts_a_run_of_the_deployment_that_listens_for_its_domain(prefect_server: str):
    from prefect.client.orchestration import get_client
    from prefect.events import DeploymentEventTrigger

    trigger = DeploymentEventTrigger(
        expect={"tuneline.drift"},
        match={"prefect.resource.id": "tuneline.domain.operations"},
        threshold=1,
        within=0,
    )
    deployed = retrain.to_deployment("on-drift", parameters={"profile": "x"}, triggers=[trigger])
    deployment_id = deployed.apply()
    signals.emit("other", "drift", {"value": 0.3})
    signals.emit("operations", "drift", {"value": 0.3})

    def started() -> int:
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs()
        return sum(run.deployment_id == deployment_id for run in runs)

    _wait(lambda: started() > 0, 60)
    assert started() == 1


def _wait(holds: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)
