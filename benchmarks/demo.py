"""How long each stage of the demo takes, and what is outside of stages.

    python -m benchmarks.demo [--profile smoke] [--workspace FOLDER]

The line runs once in an empty workspace (default: a temporary one). Stages are timed inside their
tasks; outside of them are the base model, which is converted first, Prefect and MLflow (what those
two cost is measured by `orchestration.py`). Then it runs again, unchanged. Writes
`benchmarks/results/<profile>.json`.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console


def main() -> None:
    """Run the line twice and write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--workspace", type=Path)
    arguments = parser.parse_args()
    profile = arguments.profile
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TUNELINE_WORKSPACE"] = str(arguments.workspace or folder)
        from flows import servers

        servers.start(servers.PREFECT)
        os.environ["PREFECT_API_URL"] = f"{servers.PREFECT.url}/api"
        first, again = measure(profile), measure(profile)
        if arguments.workspace is None:
            servers.stop(servers.PREFECT)
    result = {"profile": profile, "machine": machine(), "first": first, "unchanged_rerun": again}
    path = Path(__file__).parent / "results" / f"{profile}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def measure(profile: str) -> dict[str, object]:
    """One run of the line: total, per stage, and the rest."""
    imported = time.monotonic()
    from flows.retrain import retrain
    from flows.summary import print_summary
    from flows.terminal import shown_progress

    console = Console(width=110)
    started = time.monotonic()
    with shown_progress(console):
        result = retrain(profile)
    total_s = time.monotonic() - started
    print_summary(result, console)
    stages_s = sum(stage.wall_s for stage in result.stages)
    return {
        "import_s": round(started - imported, 1),
        "total_s": round(total_s, 1),
        "stages_s": {stage.name: round(stage.wall_s, 1) for stage in result.stages},
        "outside_stages_s": round(total_s - stages_s, 1),
        "verdict": result.decision.verdict,
        "reasons": list(result.decision.reasons),
    }


def machine() -> dict[str, object]:
    """The hardware that the numbers belong to."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": cpu_name(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def cpu_name() -> str:
    """Model name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
