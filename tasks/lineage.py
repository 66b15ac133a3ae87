"""What a release is made of, for its version in the registry."""

import importlib.metadata
import json
import platform
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import tuneline
from tuneline.base_model import BaseModelRef
from tuneline.data.prepare import report_of
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.reports import TrainingReport, load_report
from tuneline.store import (
    MANIFEST,
    PACKAGE,
    StageOutput,
    code_version,
    digest_of,
    file_digest,
)
from tuneline.training.trainer import REPORT

PACKAGES = (
    *("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets"),
    *("prefect", "mlflow", "rapidfuzz", "rjieba", "sacrebleu", "polars", "numpy"),
)
TRAINING_CODE = ("training", "base_model", "machine")
"""Modules of `tuneline` that decide an adapter."""
ORIGIN = "origin"
"""Key of a manifest with what made the output: it may be reused by other code and machines."""


def lineage_of(
    settings: Profile, splits: StageOutput, base: BaseModelRef, adapter: StageOutput
) -> dict[str, Any]:
    """Everything that decided the adapter, and what it took."""
    manifest = json.loads((adapter.path / MANIFEST).read_text())
    made_by = manifest.get(ORIGIN) or origin(settings)
    return {
        **ingredients(settings, splits, base),
        "train_key": adapter.key,
        **made_by,
        **spent(load_report(adapter.path / REPORT, TrainingReport), settings),
    }


def spent(report: TrainingReport, settings: Profile) -> dict[str, Any]:
    """Time and money of a training, tries that were killed included, and what memory made of it."""
    price = settings.training.price_per_hour
    return {
        "train_s": str(report.train_s),
        "rungs": report.rungs,
        **({} if price is None else {"cost": f"{report.train_s / 3600 * price:.4g}"}),
    }


def ingredients(settings: Profile, splits: StageOutput, base: BaseModelRef) -> dict[str, Any]:
    """What an adapter is made from: data, base model, settings."""
    report = report_of(splits)
    assert report.certificate is not None  # written with every split
    return {
        "domain": settings.domain,
        "base_model": f"{settings.base_model.source}:{settings.base_model.name}",
        "base_model_revision": settings.base_model.revision or "",
        "base_model_license": settings.base_model.license,
        "base_model_digest": base.digest,
        "chat_template_digest": _chat_template_digest(base.folder),
        "labels": {source: sorted(found) for source, found in report.labels.items()},
        "data_digest": splits.digest,
        "train_digest": report.certificate.train_digest,
        "validation_digest": report.certificate.validation_digest,
        "data_files": {file.path: file.digest for file in report.files},
        "data_licenses": {source.name: source.license for source in settings.data.sources},
        "seed": settings.training.seed,
        "profile": settings.model_dump(mode="json"),
    }


def _chat_template_digest(folder: Path) -> str:
    """SHA-256 of the chat template in a model's folder; empty where none is found."""
    path, config = folder / "chat_template.jinja", folder / "tokenizer_config.json"
    if path.is_file():
        return file_digest(path)
    settings = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    template = settings.get("chat_template")
    return digest_of(template) if template else ""


def origin(settings: Profile) -> dict[str, Any]:
    """What makes an adapter, here and now: code, packages, hardware."""
    return {
        "code": code_commit(),
        "code_digests": _code_digests(),
        "tuneline": tuneline.__version__,
        "python": platform.python_version(),
        "machine": this_machine().describe(settings.training.optimizer),
        "hardware": hardware(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def _code_digests() -> dict[str, str]:
    """Module -> digest of its source, for each that decides an adapter."""
    paths = (PACKAGE / name for name in TRAINING_CODE)
    files = [f for p in paths for f in (p.rglob("*.py") if p.is_dir() else [p.with_suffix(".py")])]
    names = sorted(file.relative_to(PACKAGE).with_suffix("").as_posix() for file in files)
    return {key.removeprefix("code:"): value for key, value in code_version(*names).items()}


def hardware() -> dict[str, str | int]:
    """What the bits of a result may depend on, besides software."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpus": ", ".join(gpus) or "none",
        "cuda": torch.version.cuda or "none",
    }


def _processor() -> str:
    """The CPU's name, as Linux gives it; elsewhere what Python knows."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def code_commit() -> str:
    """Commit of the code, with `+changes` where the tree differs; its version outside of git."""
    folder = Path(__file__).parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(folder, "status", "--porcelain") else commit
    except (OSError, subprocess.CalledProcessError):
        return f"v{tuneline.__version__}"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
