"""One tool on one job in a process of its own: wall time, CPU time, peak memory."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import llamafactory_tool
from benchmarks.training_job import ROOT, Job

OURS, TRL, LLAMAFACTORY = "tuneline", "trl", "llamafactory"
TOOLS = (OURS, TRL, LLAMAFACTORY)
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0"),
}


def run_tool(
    tool: str, job: Job, environment: Path | None = None, more: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Train with one tool in an empty folder, which is removed unless the tool failed.

    Args:
        tool: One of `TOOLS`.
        job: What to train.
        environment: Folder of LLaMA-Factory's environment; the others need none.
        more: For Tuneline, further fields of its training settings.

    Returns:
        What `measured` gives, or `failed` with the last line of the tool's log.
    """
    out, fields = Path(job.out), asdict(job)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    (out / "job.json").write_text(json.dumps({**fields, "more": more or {}}, indent=1))
    if tool == LLAMAFACTORY and environment:
        command = llamafactory_tool.command(llamafactory_tool.environment(environment), fields)
        found = measured(command, out, out, llamafactory_tool.result)
    else:
        module = {OURS: "benchmarks.training_ours", TRL: "benchmarks.bare_trl"}[tool]
        command = [sys.executable, "-m", module, str(out / "job.json")]
        found = measured(command, ROOT, out, _result)
    if "failed" not in found:
        shutil.rmtree(out)
    return found


def _result(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "result.json").read_text())
    return found


def measured(
    command: list[str], folder: Path, out: Path, result: Callable[[Path], dict[str, Any]]
) -> dict[str, Any]:
    """Run a command from start to exit, with caches of its own, so that none helps the next run.

    Returns:
        Its result, with tokens_per_s of the training loop (None where tokens were not counted),
        and of the process wall_s, cpu_s and peak_rss_mib.
    """
    environment = {**os.environ, **OFFLINE, "HF_HOME": str(out / "cache")}
    log = out / "log.txt"
    started = time.monotonic()
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:
            process.kill()
            raise
    wall_s = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = log.read_text().strip().splitlines() or [f"exit code {process.returncode}"]
        print(f"failed; see {log}")
        return {"failed": lines[-1]}
    found = result(out)
    return {
        **found,
        "tokens_per_s": found["tokens"] and round(found["tokens"] / found["train_s"], 1),
        "wall_s": round(wall_s, 1),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_mib": round(usage.ru_maxrss / 2**10),
    }
