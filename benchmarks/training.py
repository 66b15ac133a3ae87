"""The training stage against a bare TRL script and LLaMA-Factory: tokens/s, wall time, memory.

    python -m benchmarks.training [--model demo] [--rounds 3] [--rows 64] [--methods]

Each tool trains LoRA and QLoRA (r 16, alpha 32, all linear layers, batches of 4, no packing,
cosine) on the same model and the same rows of `examples/lawyer/loan_clauses.jsonl`, with the same
dtype, attention, optimizer and seed, in a process of its own. Tools take turns in each round; a
ratio is the median over rounds of ours over theirs in that round. Tokens are those in the batches
without padding, as the tool's trainer counted them. LLaMA-Factory gets an environment of its own.
Writes `benchmarks/results/training.json`; with --methods, every training method of Tuneline instead
and `methods.json`. On a CUDA GPU `--model random-7b` has the shape of a 7B model and 1,024 tokens.
"""

import argparse
import json
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks import llamafactory_tool
from benchmarks.training_job import MODELS, ROOT, Job, Prepared, prepare
from benchmarks.training_methods import every_method, table_of_methods
from benchmarks.training_process import LLAMAFACTORY, OURS, TOOLS, TRL, run_tool

Round = Mapping[str, dict[str, Any]]
"""Tool -> what it measured."""
RESULTS = Path(__file__).parent / "results"
METHODS = ("qlora", "lora")
MEASURED = ("tokens_per_s", "train_s", "wall_s", "cpu_s", "peak_rss_mib", "peak_gpu_mib")
PER_RUN = {"method", "model", "rows", "out"}
"""Fields of a job that are no settings."""
PACKAGES = ("transformers", "trl", "peft", "accelerate", "torch", "bitsandbytes")
RATIOS: dict[str, Callable[[dict[str, Any], dict[str, Any]], float]] = {
    "ratio": lambda ours, theirs: ours["tokens_per_s"] / theirs["tokens_per_s"],
    "wall_ratio": lambda ours, theirs: theirs["wall_s"] / ours["wall_s"],
    "cpu_ratio": lambda ours, theirs: theirs["cpu_s"] / ours["cpu_s"],
}
"""Above 1: we are faster. The CPU time of the process is what other jobs disturb least."""


def main() -> None:
    """Measure and write the numbers."""
    arguments = _arguments()
    work: Path = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    # In a process of its own: whoever is started later inherits this one's peak memory.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        prepared = pool.submit(prepare, arguments.model, arguments.rows, work).result()
    result: dict[str, Any] = {
        "model": arguments.model,
        "rows": arguments.rows,
        "commit": commit(),
        "machine": prepared.machine,
        "versions": {name: version(name) for name in PACKAGES},
        "settings": {k: v for k, v in asdict(prepared.job("", work)).items() if k not in PER_RUN},
    }
    if arguments.methods:
        result["methods"] = every_method(prepared, work)
        path, text = RESULTS / "methods.json", table_of_methods(result["methods"])
    else:
        result |= compare(prepared, work, arguments)
        path, text = RESULTS / "training.json", table(result["methods"])
    path = arguments.result or path
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    work = ROOT / "workspace" / "benchmarks"
    parser.add_argument("--model", choices=MODELS, default="demo")
    parser.add_argument("--rows", type=int, default=64, help="a multiple of 4")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--methods", action="store_true", help="every method of Tuneline instead")
    parser.add_argument("--llamafactory-env", type=Path, default=work / "llamafactory-env")
    parser.add_argument("--work", type=Path, default=work / "training")
    parser.add_argument("--result", type=Path, help="file to write instead")
    arguments = parser.parse_args()
    if arguments.rows % Job.batch_size:
        parser.error(f"--rows {arguments.rows} is not a multiple of {Job.batch_size}")
    return arguments


def compare(prepared: Prepared, work: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All tools, method by method; the ratios at the top are the lowest over methods."""
    tools: list[str] = arguments.tools
    environment: Path = arguments.llamafactory_env.resolve()
    theirs = {}
    if LLAMAFACTORY in tools:
        python = llamafactory_tool.environment(environment)
        theirs = {"versions_of_llamafactory": llamafactory_tool.versions(python)}
    methods: dict[str, dict[str, Any]] = {}
    for method in METHODS:
        rounds = []
        for number in range(arguments.rounds):
            first = number % len(tools)  # each round begins with another tool
            order = [*tools[first:], *tools[:first]]
            rounds.append(run_round(method, number, order, prepared, work, environment))
        methods[method] = {**ratios(rounds), "tools": {t: medians(rounds, t) for t in tools}}
    lowest = {
        key: min(found[key] for found in methods.values() if key in found)
        for key in {key for found in methods.values() for key in found if "ratio" in key}
    }
    return {
        **dict(sorted(lowest.items(), reverse=True)),
        "rounds": arguments.rounds,
        **theirs,
        "methods": methods,
    }


def run_round(
    method: str,
    number: int,
    tools: Sequence[str],
    prepared: Prepared,
    work: Path,
    environment: Path,
) -> Round:
    """Every tool once, in this order."""
    results = {}
    for tool in tools:
        job = prepared.job(method, work / f"{method}-{number}-{tool}")
        results[tool] = run_tool(tool, job, environment)
        shown = {key: value for key, value in results[tool].items() if key != "losses"}
        print(method, number, tool, shown, flush=True)
    return results


def ratios(rounds: Sequence[Round]) -> dict[str, float]:
    """`<ratio>_to_<peer>` -> median over rounds, where both tools succeeded."""
    found = {
        f"{name}_to_{peer}": [
            ratio(r[OURS], r[peer])
            for r in rounds
            if all("tokens_per_s" in r.get(tool, {}) for tool in (OURS, peer))
        ]
        for peer in (TRL, LLAMAFACTORY)
        for name, ratio in RATIOS.items()
    }
    return {key: round(statistics.median(some), 3) for key, some in found.items() if some}


def medians(rounds: Sequence[Round], tool: str) -> dict[str, Any]:
    """A tool's medians over rounds, its speeds one by one, and its losses, alike in all rounds."""
    results = [found[tool] for found in rounds]
    if failed := [result["failed"] for result in results if "failed" in result]:
        return {"failed": failed[0]}
    losses = results[0]["losses"]
    return {
        **{key: results[0][key] for key in ("steps", "tokens")},
        **{key: round(statistics.median(r[key] for r in results), 1) for key in MEASURED},
        "tokens_per_s_by_round": [result["tokens_per_s"] for result in results],
        "first_loss": round(losses[0], 3),
        "last_loss": round(statistics.mean(losses[-4:]), 3),
    }


def table(methods: Mapping[str, dict[str, Any]]) -> str:
    """Markdown, a line per method and tool."""
    lines = ["| method | tool | tokens/s | wall s | peak MiB | our tokens/s over its | wall time |"]
    lines.append("|---|---|---|---|---|---|---|")
    for method, found in methods.items():
        for tool, measured in found["tools"].items():
            if "failed" in measured:
                lines.append(f"| {method} | {tool} | failed: {measured['failed']} | | | | |")
                continue
            speed, wall = (found.get(f"{name}_to_{tool}", "-") for name in ("ratio", "wall_ratio"))
            peak = measured["peak_gpu_mib"] or measured["peak_rss_mib"]
            lines.append(
                f"| {method} | {tool} | {measured['tokens_per_s']:,.0f} | {measured['wall_s']:.0f} "
                f"| {peak:,.0f} | {speed} | {wall} |"
            )
    return "\n".join(lines)


def commit() -> str:
    """Commit of the checkout; `+` where files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
