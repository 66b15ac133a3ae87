"""What Prefect and MLflow cost: the line with both against the same library calls without them.

    python -m benchmarks.orchestration [--profile smoke] [--repeats 3] [--history 10 100 1000]

A Prefect and an MLflow server run on this machine. Each run is a process of its own in an empty
workspace, under a domain of its own; runs with and without orchestration take turns. Without it,
flows and tasks are plain functions, nothing is logged, and the registry is not asked. Then the
unchanged run is timed, at first and with ever more synthetic runs and versions of the domain.
Writes `benchmarks/results/orchestration.json` after each of these.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import psutil

from benchmarks.demo import machine

RESULT = Path(__file__).parent / "results" / "orchestration.json"
HISTORY = "history"
"""Domain that gets ever more runs and versions."""


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="smoke")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--history", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--child", choices=["orchestrated", "bare"])
    parser.add_argument("--domain")
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(run_here(arguments.child, arguments.profile, arguments.domain)))
        return
    with local_servers():
        for result in measure(arguments.profile, arguments.repeats, arguments.history):
            RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


@contextmanager
def local_servers() -> Iterator[None]:
    """A Prefect and an MLflow server, both empty, which this process and its children use."""
    from flows import servers

    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TUNELINE_WORKSPACE": folder, "PREFECT_HOME": f"{folder}/prefect"}
        Path(folder, "mlflow").mkdir()
        both = (servers.PREFECT, servers.MLFLOW)
        try:
            for server in both:
                servers.start(server)
            os.environ["PREFECT_API_URL"] = f"{servers.PREFECT.url}/api"
            os.environ["MLFLOW_TRACKING_URI"] = servers.MLFLOW.url
            yield
        finally:
            os.environ["TUNELINE_WORKSPACE"] = folder
            for server in both:
                servers.stop(server)


def measure(profile: str, repeats: int, history: list[int]) -> Iterator[dict[str, Any]]:
    """All numbers so far, from processes of their own."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        child("bare", "smoke", folder, "warm-up")  # compiles loops and bytecode where they are not
    for number in range(repeats):
        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            full = child("orchestrated", profile, a, f"bench{number}")
            pairs.append((full, child("bare", profile, b, f"bench{number}")))
    found: dict[str, Any] = {
        "profile": profile,
        "machine": machine(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "overhead_s": _median(full["wall_s"] - bare["wall_s"] for full, bare in pairs),
        "overhead_cpu_s": _median(full["cpu_s"] - bare["cpu_s"] for full, bare in pairs),
        "pairs": [{"orchestrated": full, "bare": bare} for full, bare in pairs],
    }
    with tempfile.TemporaryDirectory() as folder:
        child("orchestrated", profile, folder, HISTORY)
        again = child("orchestrated", profile, folder, HISTORY)
        found["unchanged_rerun_s"] = again["flow_s"]
        found["unchanged_rerun_process_s"] = again["wall_s"]
        found["growth"] = []
        yield found
        for n in history:
            found["growth"].append(grow(profile, folder, n))
            yield found


def grow(profile: str, folder: str, n: int) -> dict[str, float]:
    """The unchanged run once the domain has this many synthetic runs and versions."""
    began = time.monotonic()
    os.environ["TUNELINE_WORKSPACE"] = folder
    fill(n)
    filled_s = time.monotonic() - began
    again = child("orchestrated", profile, folder, HISTORY)
    return {
        "runs_and_versions": n,
        "unchanged_rerun_s": again["flow_s"],
        "cpu_s": again["cpu_s"],
        "filling_s": round(filled_s, 1),
    }


def fill(n: int) -> None:
    """Add synthetic MLflow runs, run logs and registered versions until there are n."""
    from datetime import date

    from tasks import run_log
    from tasks.stage import StageRun
    from tuneline import tracking
    from tuneline.registry import Registry

    domain, registry = HISTORY, Registry(tracking.tracking_uri())
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


def child(kind: str, profile: str, folder: str, domain: str) -> dict[str, float]:
    """One run as a process: wall and CPU seconds of all of it, and wall seconds of the flow."""
    command = [sys.executable, "-m", "benchmarks.orchestration", "--profile", profile]
    command += ["--child", kind, "--domain", domain]
    env = os.environ | {"TUNELINE_WORKSPACE": folder, "PREFECT_LOGGING_LEVEL": "ERROR"}
    began = time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    wall_s = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{kind}: {done.stderr[-3000:]}")
    return {"wall_s": round(wall_s, 1), **json.loads(done.stdout.splitlines()[-1])}


def run_here(kind: str, profile: str, domain: str) -> dict[str, float]:
    """Run the line in this process."""
    from benchmarks import bare_line

    if kind == "bare":
        bare_line.without_orchestration()
    from flows.retrain import retrain

    began = time.monotonic()
    with bare_line.nothing_recorded() if kind == "bare" else nullcontext():
        retrain(profile, {"domain": domain})
    flow_s = time.monotonic() - began
    spent = psutil.Process().cpu_times()
    cpu_s = spent.user + spent.system + spent.children_user + spent.children_system
    return {"flow_s": round(flow_s, 1), "cpu_s": round(cpu_s, 1)}


def _median(values: Any) -> float:
    return round(statistics.median(values), 1)


if __name__ == "__main__":
    main()
