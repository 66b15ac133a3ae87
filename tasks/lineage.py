"""What a release is made of, for its version in the registry."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import tuneline
from tuneline.base_model import BaseModelRef
from tuneline.data.prepare import report_of
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.store import StageOutput

PACKAGES = (
    *("torch", "transformers", "peft", "trl", "bitsandbytes", "accelerate", "datasets"),
    *("prefect", "mlflow", "rouge-score", "sacrebleu", "polars", "numpy"),
)


def lineage_of(
    settings: Profile, splits: StageOutput, base: BaseModelRef, adapter: StageOutput
) -> dict[str, Any]:
    """Everything that decided the adapter: data, settings, base model, code, seeds, packages."""
    files = report_of(splits).files
    return {
        "domain": settings.domain,
        "base_model": f"{settings.base_model.source}:{settings.base_model.name}",
        "base_model_revision": settings.base_model.revision or "",
        "base_model_license": settings.base_model.license,
        "base_model_digest": base.digest,
        "data_digest": splits.digest,
        "data_files": {file.path: file.digest for file in files},
        "data_licenses": {source.name: source.license for source in settings.data.sources},
        "train_key": adapter.key,
        "seed": settings.training.seed,
        "profile": settings.model_dump(mode="json"),
        "code": code_commit(),
        "tuneline": tuneline.__version__,
        "python": platform.python_version(),
        "machine": this_machine().describe(settings.training.optimizer),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


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
