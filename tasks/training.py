"""Stage 2: splits to adapter to merged model."""

from pathlib import Path
from typing import Any

from tasks.artifacts import show_loss_curve
from tasks.lineage import ORIGIN, TRAINING_CODE, origin
from tasks.live import LiveTraining
from tasks.progress import progress_of
from tasks.stage import stage, store
from tuneline.base_model import BaseModelRef
from tuneline.data.prepare import load_splits
from tuneline.data.prepare import report_of as data_report_of
from tuneline.generation import ModelArtifact
from tuneline.machine import this_machine
from tuneline.profile import Profile
from tuneline.records import Message, Record
from tuneline.reports import TrainingReport, load_report
from tuneline.store import (
    StageOutput,
    code_version,
    digest_of,
    file_digest,
    fresh_inputs,
    package_versions,
)
from tuneline.training import merging, trainer
from tuneline.training.launch import launch
from tuneline.training.saving import trained_files
from tuneline.training.watching import LogMetrics

N_PROBE_RECORDS = 8
"""Records on whose answers merged model and adapter are compared."""
PROBE = (
    ("Name the parties of a contract of sale.", "The seller and the buyer."),
    ("租赁合同中，承租人的主要义务是什么？", "按照约定支付租金，并妥善保管租赁物。"),
    ("Give the capital of France and its river.", "Paris lies on the Seine."),
    ("Write the numbers from one to five.", "1, 2, 3, 4, 5"),
)
"""Prompts and answers that stand for the data where it is not there."""


def candidate_key(settings: Profile, splits: StageOutput, base: BaseModelRef) -> str:
    """Identifies the adapter that training will give, before it is trained."""
    return digest_of(_training_inputs(settings, splits, base))


@stage("train", timeout_s=7 * 24 * 3600, holds_model=True)
def train(
    settings: Profile,
    splits: StageOutput,
    base: BaseModelRef,
    log_metrics: LogMetrics,
    n_down: int = 0,
) -> StageOutput:
    """Train the adapter, going on from the last checkpoint of a killed run.

    `n_down` is how far pre-flight takes the settings down, so that they fit the memory.
    """

    def write(out: Path) -> None:
        progress = progress_of("train")
        launch(
            base,
            splits.path,
            settings.training,
            this_machine(),
            out,
            progress,
            LiveTraining(settings.domain, progress, log_metrics),
            n_down,
        )

    inputs = _training_inputs(settings, splits, base)
    output = store().build(
        "train",
        inputs,
        write,
        keeps_partial=True,
        describe=lambda folder: {ORIGIN: origin(settings)},
    )
    show_loss_curve(settings.domain, report_of(output), output.path / trainer.LOSS_CURVE)
    return output


def merged_model(
    name: str, base: BaseModelRef, adapter: Path, splits: StageOutput | None
) -> ModelArtifact:
    """The model that an adapter makes of its base: what is measured, quantized and served."""
    output = merge(name, base, adapter, splits)
    return ModelArtifact(name, output.path, output.digest)


@stage("merge", run_name="merge {name}", timeout_s=3600, holds_model=True)
def merge(name: str, base: BaseModelRef, adapter: Path, splits: StageOutput | None) -> StageOutput:
    """Merge an adapter into its 16-bit base, checked on records of the validation split.

    Without the data, on a machine that only serves, it is checked on sentences of any domain.
    """

    def write(out: Path) -> None:
        merging.merge(base.folder, adapter, _probe(splits), this_machine(), out)

    inputs = {
        "base_model": base.digest,
        "adapter": {name: file_digest(adapter / name) for name in trained_files(adapter)},
        **code_version(
            "training/merging",
            "training/saving",
            "training/chat_format",
            "training/prompt_tokens",
            "base_model",
            "export",
            "fidelity",
        ),
        **package_versions("torch", "transformers", "peft"),
    }
    progress = progress_of(f"merge {name}")
    progress(0, 1)
    output = store().build("merge", inputs, write)
    progress(1, 1)
    return output


def _probe(splits: StageOutput | None) -> list[Record]:
    if splits is None:
        return [
            Record((Message("user", asked), Message("assistant", said)), "probe", "probe", i)
            for i, (asked, said) in enumerate(PROBE, start=1)
        ]
    sides = load_splits(splits)
    return list((sides.validation or sides.train)[:N_PROBE_RECORDS])


def adapter_of(output: StageOutput) -> Path:
    """Folder of the trained adapter."""
    return output.path / trainer.ADAPTER


def report_of(output: StageOutput) -> TrainingReport:
    """What the training was."""
    return load_report(output.path / trainer.REPORT, TrainingReport)


def _training_inputs(settings: Profile, splits: StageOutput, base: BaseModelRef) -> dict[str, Any]:
    certificate = data_report_of(splits).certificate
    assert certificate is not None  # written with every split
    machine = this_machine()
    return {
        "base_model": base.digest,
        "train": certificate.train_digest,
        "validation": certificate.validation_digest,
        "settings": settings.training.model_dump(mode="json", exclude={"price_per_hour"}),
        "machine": machine.describe(settings.training.optimizer),
        **code_version(*TRAINING_CODE),
        **package_versions("torch", "transformers", "peft", "trl", "bitsandbytes"),
        **fresh_inputs(),
    }
