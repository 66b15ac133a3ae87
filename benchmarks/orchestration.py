"""What Prefect and MLflow cost: the line with both against the same library calls without them.

    python -m benchmarks.orchestration [--profile smoke] [--repeats 2] [--history 10 100 1000]

Each run is a process of its own in an empty workspace; runs with and without orchestration take
turns. Without it, flows and tasks are plain functions, nothing is logged, and the registry is not
asked. Then the unchanged run is timed, at first and with ever more synthetic runs and versions of
the domain. Writes `benchmarks/results/orchestration.json`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.demo import machine

RESULT = Path(__file__).parent / "results" / "orchestration.json"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--history", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--child", choices=["orchestrated", "bare"])
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(run_here(arguments.child, arguments.profile)))
        return
    from flows import servers

    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNELINE_WORKSPACE"] = folder
        os.environ["PREFECT_HOME"] = f"{folder}/prefect"
        servers.start(servers.PREFECT)
        os.environ["PREFECT_API_URL"] = f"{servers.PREFECT.url}/api"
        try:
            result = measure(arguments.profile, arguments.repeats, arguments.history)
        finally:
            servers.stop(servers.PREFECT)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def measure(profile: str, repeats: int, history: list[int]) -> dict[str, Any]:
    """All numbers, from processes of their own."""
    pairs = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            pairs.append((child("orchestrated", profile, a), child("bare", profile, b)))
    found: dict[str, Any] = {
        "profile": profile,
        "machine": machine(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "overhead_s": _median(full["wall_s"] - bare["wall_s"] for full, bare in pairs),
        "overhead_cpu_s": _median(full["cpu_s"] - bare["cpu_s"] for full, bare in pairs),
        "pairs": [{"orchestrated": full, "bare": bare} for full, bare in pairs],
    }
    with tempfile.TemporaryDirectory() as folder:
        child("orchestrated", profile, folder)
        again = child("orchestrated", profile, folder)
        found["unchanged_rerun_s"] = again["flow_s"]
        found["unchanged_rerun_process_s"] = again["wall_s"]
        found["growth"] = [grow(profile, folder, n) for n in history]
    return found


def grow(profile: str, folder: str, n: int) -> dict[str, float]:
    """The unchanged run once the domain has this many synthetic runs and versions."""
    began = time.monotonic()
    os.environ["TUNELINE_WORKSPACE"] = folder
    fill(profile, n)
    filled_s = time.monotonic() - began
    again = child("orchestrated", profile, folder)
    return {
        "runs_and_versions": n,
        "unchanged_rerun_s": again["flow_s"],
        "cpu_s": again["cpu_s"],
        "filling_s": round(filled_s, 1),
    }


def fill(profile: str, n: int) -> None:
    """Add synthetic MLflow runs, run logs and registered versions until there are n."""
    from datetime import date

    from tasks import run_log
    from tasks.stage import StageRun
    from tuneline import tracking
    from tuneline.profile import load_profile
    from tuneline.registry import Registry

    domain, uri = load_profile(profile).domain, tracking.tracking_uri()
    registry = Registry(uri)
    adapter = Path(os.environ["TUNELINE_WORKSPACE"], "synthetic")
    adapter.mkdir(exist_ok=True)
    (adapter / "adapter_config.json").write_text("{}")
    stages = [StageRun(f"stage {i}", "synthetic", f"{i:032x}", True, 0.1) for i in range(20)]
    for number in range(len(registry.state(domain).releases()), n):
        candidate = f"{number:064x}"
        with tracking.run(domain, candidate, name=f"synthetic {number}") as run_id:
            tracking.log_metrics(run_id, {"holdout/look": float(number)})
        version = registry.register(
            domain, adapter=adapter, candidate=candidate, day=date.today(), lineage={},
            run_id=run_id, description="", actor="benchmark",
        )  # fmt: skip
        run_log.keep(domain, "synthetic", candidate, version.number, stages)


def child(kind: str, profile: str, folder: str) -> dict[str, float]:
    """One run as a process: wall and CPU seconds of all of it, and wall seconds of the flow."""
    command = [sys.executable, "-m", "benchmarks.orchestration", "--profile", profile]
    env = os.environ | {"TUNELINE_WORKSPACE": folder, "PREFECT_LOGGING_LEVEL": "ERROR"}
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--child", kind], env=env, capture_output=True, text=True, check=False
    )
    wall_s = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{kind}: {done.stderr[-3000:]}")
    return {"wall_s": round(wall_s, 1), **json.loads(done.stdout.splitlines()[-1])}


def run_here(kind: str, profile: str) -> dict[str, float]:
    """Run the line in this process."""
    if kind == "bare":
        without_orchestration()
    from flows.retrain import retrain

    began = time.monotonic()
    with nothing_recorded() if kind == "bare" else _as_it_is():
        retrain(profile)
    flow_s = time.monotonic() - began
    spent = psutil.Process().cpu_times()
    cpu_s = spent.user + spent.system + spent.children_user + spent.children_system
    return {"flow_s": round(flow_s, 1), "cpu_s": round(cpu_s, 1)}


def without_orchestration() -> None:
    """Make flows and tasks plain functions; before anything imports them."""
    import prefect
    import prefect.artifacts

    def plain(*_: Any, **__: Any) -> Any:
        return lambda function: function

    prefect.task = prefect.flow = plain  # type: ignore[assignment]
    for name in ("table", "markdown", "progress"):
        setattr(prefect.artifacts, f"create_{name}_artifact", lambda **_: None)


@contextmanager
def nothing_recorded() -> Any:
    """Leave out MLflow: no run, no look, no baseline, no version."""
    from unittest import mock

    from tasks import dead_runs, guards, quantization, release, report, run_log
    from tuneline.reports import Look

    @contextmanager
    def no_run(settings: Any, key: str) -> Any:
        yield mock.Mock(run_id="none", log_metrics=lambda metrics, step: None)

    one = Look(0, 1, 50)
    nothing = release.Released(None, None)
    with (
        mock.patch.object(release, "check"),
        mock.patch.object(release, "tracked", no_run),
        mock.patch.object(release, "find_baseline", lambda *_: release.Baseline(None, 0, None)),
        mock.patch.object(release, "record", lambda *_: nothing),
        mock.patch.object(release, "places", lambda *_: {}),
        mock.patch.object(guards, "count_look", lambda *_: one),
        mock.patch.object(quantization, "log"),
        mock.patch.object(report, "publish", lambda *_: Path()),
        mock.patch.object(dead_runs, "close"),
        mock.patch.object(dead_runs, "own"),
        mock.patch.object(run_log, "keep"),
    ):
        yield


@contextmanager
def _as_it_is() -> Any:
    yield


def _median(values: Any) -> float:
    return round(statistics.median(values), 1)


if __name__ == "__main__":
    main()
