"""A release trained again from what the registry has of it; nothing is registered."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.artifacts import show_table, show_text
from tasks.lineage import ingredients, origin
from tasks.progress import progress_of
from tasks.release import fetch_adapter
from tasks.stage import store
from tuneline import replay, tracking
from tuneline.base_model import BaseModelRef, materialize_tokenizer
from tuneline.data.prepare import prepare
from tuneline.errors import RegistryError
from tuneline.machine import this_machine
from tuneline.profile import Profile, load_profile
from tuneline.registry import LINEAGE, Registry, Version
from tuneline.replay import Replay
from tuneline.store import MANIFEST, StageOutput, digest_of, file_digests, workspace
from tuneline.training import trainer
from tuneline.training.launch import launch


class Recorded(NamedTuple):
    """A release as the registry has it."""

    version: Version
    lineage: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """Where its replays are made."""
        return workspace() / "replays" / f"{self.version.domain}-{self.version.release}"


def find(domain: str, release: str) -> Recorded:
    """A version by release name, number or alias, with its lineage.

    Raises:
        RegistryError: There is no such version, or its lineage has no profile.
    """
    version = Registry(tracking.tracking_uri()).find(domain, release)
    lineage = json.loads((fetch_adapter(version) / LINEAGE).read_text())
    if "profile" not in lineage:
        raise RegistryError(
            f"the lineage of {version.release} has no profile; only releases that "
            "`tuneline retrain` made can be replayed"
        )
    return Recorded(version, lineage)


def settings_of(recorded: Recorded, overrides: Mapping[str, Any]) -> Profile:
    """The profile that the release was made with, single settings changed.

    Raises:
        ProfileError: This version of the code does not know a recorded setting any more.
    """
    recorded.folder.mkdir(parents=True, exist_ok=True)
    path = recorded.folder / "profile.yaml"  # JSON is YAML
    path.write_text(json.dumps(recorded.lineage["profile"], indent=1, ensure_ascii=False))
    return load_profile(str(path), overrides)


@task(name="find data", task_run_name="data of {settings.domain}", cache_policy=NO_CACHE)
def find_data(settings: Profile, recorded: Recorded, must_prepare: bool) -> StageOutput:
    """The release's data from the store where it is whole there, else prepared again.

    Raises:
        DataError: It is not there, and its sources are not either.
    """
    digest = recorded.lineage.get("data_digest", "")
    found = None if must_prepare else in_store(digest)
    if found is not None:
        return found
    return prepare(
        settings.domain,
        settings.data,
        store(),
        materialize_tokenizer(settings.base_model, store()),
        settings.training.max_seq_tokens,
        progress_of("prepare data"),
        is_draft=True,  # the domain's memory learns nothing from a replay
    )


def in_store(digest: str) -> StageOutput | None:
    """A data stage of this workspace by the digest of its files; None where it is not whole."""
    for path in (store().root / "store" / "data").glob(f"*/{MANIFEST}"):
        folder = path.parent
        if json.loads(path.read_text())["digest"] == digest == digest_of(file_digests(folder)):
            return store().find("data", folder.name)
    return None


@task(name="train again", task_run_name="train {settings.domain} again", cache_policy=NO_CACHE)
def train_again(
    settings: Profile, recorded: Recorded, splits: StageOutput, base: BaseModelRef
) -> Replay:
    """Train in a folder of its own, whatever the store has, and compare what came out."""
    out = recorded.folder / "training"
    with FileLock(f"{out}.lock"):
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        progress = progress_of("train")
        n_down = len(recorded.lineage.get("rungs", ()))
        launch(base, splits.path, settings.training, this_machine(), out, progress, n_down=n_down)
        digests = file_digests(out / trainer.ADAPTER)
    now = {**ingredients(settings, splits, base), **origin(settings)}
    return Replay(
        recorded.version.release,
        replay.weights(recorded.lineage["files"]),
        replay.weights(digests),
        replay.differences(recorded.lineage, now),
        str(out / trainer.ADAPTER),
    )


def show(domain: str, replayed: Replay) -> None:
    """Put the outcome on the run page."""
    show_text(domain, "replay", f"# Replay\n\n{replayed.verdict}")
    show_table(domain, "replay-differences", difference_rows(replayed), "What differs")


def difference_rows(replayed: Replay) -> list[dict[str, Any]]:
    """Each difference as a row, of the most likely cause first."""
    return [
        {"kind": d.kind, "what": d.name, "recorded": d.recorded, "now": d.now}
        for d in replayed.differences
    ]
