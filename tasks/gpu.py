"""The GPU part of a retraining as a flow run of its own: a GPU is held only while it is needed.

Parent and GPU part share one workspace. The parent writes a call into it, the GPU part fills the
store and writes an answer beside the call: which machine did the work, and which outputs it used.
The parent then goes through the same stages with the keys of that machine and finds all of them.
"""

import hashlib
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tasks.child_runs import run_to_end
from tasks.preflight import forecast_for
from tasks.release import find_baseline
from tasks.stage import StageRun, store
from tuneline import tracking
from tuneline.errors import StoreError, TrainingError
from tuneline.machine import Machine, this_machine, worked_on
from tuneline.preflight.speed import Hardware, this_hardware
from tuneline.profile import Profile
from tuneline.store import (
    StageOutput,
    built_elsewhere,
    code_version,
    digest_of,
    fresh_inputs,
    package_versions,
    workspace,
)

log = logging.getLogger(__name__)

GPU_STAGES = frozenset({"train", "merge", "answers", "quantize", "fidelity"})
"""Stages that run on the GPU machine only; pre-flight needs none, and looks again at later runs."""
FOLDER = "gpu"
"""Of the workspace: calls and answers."""


class Answer(msgspec.Struct, frozen=True):
    """What the GPU part tells its parent."""

    machine: Machine
    hardware: Hardware
    candidate: str
    """Key of the candidate."""
    baseline: str | None
    """Version number that the candidate was held against; None for the base model."""
    outputs: tuple[tuple[str, str], ...]
    """Stage and key of each output on the way."""


class Work(NamedTuple):
    """Who does the GPU's work, and how it is asked."""

    deployment: str | None
    """Such as `gpu-part/gpu`; None: this process."""
    profile: str
    overrides: Mapping[str, Any]


class Request(NamedTuple):
    """What is asked for."""

    settings: Profile
    splits: StageOutput

    @property
    def key(self) -> str:
        """Digest of all that decides the outputs but the machine and the champion."""
        return digest_of(
            {
                "settings": self.settings.model_dump(mode="json"),
                "splits": self.splits.digest,
                "tasks": _tasks_digest(),
                **code_version(""),
                **package_versions("torch", "transformers", "peft", "trl", "bitsandbytes"),
                **fresh_inputs(),
            }
        )[:32]


@contextmanager
def done_by(work: Work, settings: Profile, splits: StageOutput) -> Iterator[None]:
    """Have the GPU stages done by a deployment; inside the block they are found in the store.

    Where the same was asked before, all outputs are there and the baseline is the same, nobody is
    called. Without a deployment the stages are built here.
    """
    if work.deployment is None:
        yield
        return
    request = Request(settings, splits)
    answer = _known(request) or _call(work, request)
    with (
        worked_on(answer.machine),
        forecast_for(answer.hardware),
        built_elsewhere(GPU_STAGES),
    ):
        yield


def accept(call: str) -> None:
    """Check that the caller's workspace is this one, before any work.

    Raises:
        StoreError: It is not.
    """
    if not _path(call, "call").is_file():
        raise StoreError(
            f"this machine does not see the workspace of the flow run that called it: there is no "
            f"{_path(call, 'call')}; set TUNELINE_WORKSPACE of all workers to one shared folder"
        )


def reply(call: str, candidate: str, baseline: str | None, stages: Sequence[StageRun]) -> None:
    """Tell the caller that all outputs are in the store, and on which machine they were made."""
    machine = this_machine()
    outputs = tuple((run.stage, run.key) for run in stages)
    answer = Answer(machine, this_hardware(machine), candidate, baseline, outputs)
    _write(_path(call, "json"), msgspec.json.encode(answer))


def _known(request: Request) -> Answer | None:
    """The answer to the same request, while its outputs are there and its baseline is the one."""
    path = _path(request.key, "json")
    if not path.is_file():
        return None
    answer = msgspec.json.decode(path.read_bytes(), type=Answer)
    champion = find_baseline(request.settings, answer.candidate).champion
    is_same = (champion and champion.number) == answer.baseline
    if is_same and all(store().find(stage, key) for stage, key in answer.outputs):
        log.info("gpu: nothing to do, all %d outputs are there", len(answer.outputs))
        return answer
    return None


def _call(work: Work, request: Request) -> Answer:
    """Run the deployment to its end and read its answer."""
    call = uuid.uuid4().hex
    _write(_path(call, "call"), request.key.encode())
    try:
        _run(work, request.settings.domain, call)
        answered = _path(call, "json").read_bytes()
        _write(_path(request.key, "json"), answered)
    finally:
        for ending in ("call", "json"):
            _path(call, ending).unlink(missing_ok=True)
    return msgspec.json.decode(answered, type=Answer)


def _run(work: Work, domain: str, call: str) -> None:
    """Each attempt of a flow run gets a GPU run of its own, and one only.

    Raises:
        TrainingError: It did not complete; says what it said.
    """
    parameters = {
        "profile": work.profile,
        "overrides": dict(work.overrides),
        "call": call,
        "fresh_name": fresh_inputs().get("fresh"),
    }
    assert work.deployment is not None
    run, state = run_to_end(work.deployment, parameters)
    if not state.is_completed():
        tracking.close_runs_of(domain, str(run.id), f"its flow run {run.name} is {state.name}")
        said = state.message or "no reason was given"
        raise TrainingError(f"the GPU part ({work.deployment}, flow run {run.name}) failed: {said}")


def _path(name: str, ending: str) -> Path:
    return workspace() / FOLDER / f"{name}.{ending}"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{uuid.uuid4().hex}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _tasks_digest() -> str:
    """Tasks say what a stage's key is made of."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return hashlib.sha256(b"".join(sources)).hexdigest()
