"""Every training method of Tuneline, and every objective with LoRA: seconds a step and memory."""

from pathlib import Path
from typing import Any

from benchmarks.training_job import Prepared
from benchmarks.training_process import OURS, run_tool

OF_ALL_WEIGHTS = {"galore": 1e-4, "freeze": 1e-4, "full": 5e-5}
"""Method -> its learning rate, where the adapters' one is too high."""


def every_method(prepared: Prepared, work: Path) -> dict[str, dict[str, Any]]:
    """Method or objective -> what was measured, or why it failed."""
    from tuneline.training.methods import METHODS
    from tuneline.training.objectives import OBJECTIVES

    cases: list[tuple[str, str, dict[str, Any]]] = [(method, method, {}) for method in METHODS]
    cases += [(f"lora {name}", "lora", {"objective": name}) for name in OBJECTIVES if name != "sft"]
    results = {}
    for name, method, more in cases:
        rate = {"learning_rate": OF_ALL_WEIGHTS[method]} if method in OF_ALL_WEIGHTS else {}
        job = prepared.job(method, work / f"method-{name.replace(' ', '-')}", **rate)
        results[name] = _summary(run_tool(OURS, job, more=more))
        print(name, results[name], flush=True)
    return results


def _summary(found: dict[str, Any]) -> dict[str, Any]:
    if "failed" in found:
        return found
    losses = found.pop("losses")
    return {
        **found,
        "s_per_step": round(found["train_s"] / found["steps"], 2),
        "first_loss": round(losses[0], 3),
        "last_loss": round(sum(losses[-4:]) / len(losses[-4:]), 3),
    }


def table_of_methods(methods: dict[str, dict[str, Any]]) -> str:
    """Markdown, a line per method."""
    lines = ["| method | trainable parameters | s per step | tokens/s | peak MiB |"]
    lines.append("|---|---|---|---|---|")
    for name, found in methods.items():
        if "failed" in found:
            lines.append(f"| {name} | failed: {found['failed']} | | | |")
            continue
        speed = "-" if found["tokens_per_s"] is None else f"{found['tokens_per_s']:,.0f}"
        peak = found["peak_gpu_mib"] or found["peak_rss_mib"]
        lines.append(
            f"| {name} | {found['trainable_parameters']:,} | {found['s_per_step']:.2f} | {speed} "
            f"| {peak:,} |"
        )
    return "\n".join(lines)
