"""A release trained again with a real Prefect server, a real registry and a tiny model."""

import json
import shutil
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.replay import replay
from tasks import base_model, data, training
from tasks.lineage import lineage_of
from tasks.release import fetch_adapter
from tuneline.errors import DataError, RegistryError
from tuneline.profile import load_profile
from tuneline.registry import LINEAGE, Registry, Version
from tuneline.store import workspace
from tuneline.tracking import open_run, tracking_uri

ROOT = Path(__file__).parent.parent.parent
DOMAIN = "again"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("source") / "overruling.jsonl"
    shutil.copy(ROOT / "examples" / "lawyer" / "overruling.jsonl", file)
    return file


@pytest.fixture(scope="module")
def released(prefect_server: str, source: Path) -> Version:
    """A release of the smoke profile, made without what comes after training."""
    changes = {"domain": DOMAIN, "training.max_steps": 4, "data.sources.0.path": str(source)}
    settings = load_profile(str(ROOT / "profiles" / "smoke.yaml"), changes)
    splits = data.prepare(settings, base_model.tokenizer(settings.base_model))
    base = base_model.get(settings.base_model)
    adapter = training.train(settings, splits, base, lambda metrics, step: None)
    lineage = lineage_of(settings, splits, base, adapter)
    return register(training.adapter_of(adapter), "first", lineage)


def register(adapter: Path, candidate: str, lineage: Mapping[str, Any]) -> Version:
    return Registry(tracking_uri()).register(
        DOMAIN, adapter=adapter, candidate=candidate, day=date(2026, 4, 1), lineage=lineage,
        run_id=open_run(DOMAIN, candidate), description="", actor="ann",
    )  # fmt: skip


def lineage_in(version: Version) -> dict[str, Any]:
    return dict(json.loads((fetch_adapter(version) / LINEAGE).read_text()))


def kinds(replayed) -> set[str]:
    return {difference.kind for difference in replayed.differences}


def data_in_store(version: Version) -> Path:
    for path in (workspace() / "store" / "data").glob("*/manifest.json"):
        if json.loads(path.read_text())["digest"] == lineage_in(version)["data_digest"]:
            return path.parent
    raise AssertionError("the data is not in the store")


@pytest.fixture
def without_stored_data(released: Version, tmp_path: Path):
    stored = data_in_store(released)
    shutil.move(stored, tmp_path / "away")
    yield
    shutil.rmtree(stored, ignore_errors=True)
    shutil.move(tmp_path / "away", stored)


@pytest.fixture
def changed_source(source: Path):
    before = source.read_text()
    source.write_text("\n".join(before.splitlines()[:-40]) + "\n")
    yield
    source.write_text(before)


def state() -> tuple[int, int, set[str]]:
    """Events, versions and stored trainings: what a replay must leave as it is."""
    ledger = Registry(tracking_uri()).state(DOMAIN)
    stored = {path.name for path in (workspace() / "store" / "train").iterdir()}
    return len(ledger.events), len(ledger.releases()), stored


def test_a_release_is_trained_again_to_the_same_bytes_twice_and_nothing_is_registered(
    released: Version,
):
    before = state()
    for _ in range(2):
        replayed = replay(DOMAIN, released.release)
        assert replayed.is_identical, replayed.verdict
        assert replayed.differences == ()
        assert (Path(replayed.folder) / "adapter_model.safetensors").exists()
    assert state() == before


def test_another_seed_gives_other_bytes_and_exit_code_1(released: Version):
    done = CliRunner().invoke(app, ["replay", DOMAIN, "1", "--set", "training.seed=1"])
    assert done.exit_code == 1
    assert "is not identical" in done.output
    assert "What differs: settings" in done.output
    assert "training.seed" in done.output


def test_an_identical_replay_has_exit_code_0(released: Version):
    done = CliRunner().invoke(app, ["replay", DOMAIN, released.release])
    assert done.exit_code == 0, done.output
    assert f"{released.release} is identical" in done.output


def test_a_package_that_was_another_is_listed(released: Version):
    lineage = lineage_in(released)
    older = lineage | {"packages": lineage["packages"] | {"torch": "2.1.0"}}
    other = register(fetch_adapter(released), "older torch", older)
    replayed = replay(DOMAIN, other.release)
    assert [(d.kind, d.name, d.recorded) for d in replayed.differences] == [
        ("package", "packages.torch", "2.1.0")
    ]


def test_data_that_left_the_store_is_prepared_again_to_the_same_bytes(
    released: Version, without_stored_data
):
    memory = workspace() / "memory" / DOMAIN
    before = {path.name for path in memory.iterdir()}
    replayed = replay(DOMAIN, released.release)
    assert replayed.is_identical, replayed.differences
    assert {path.name for path in memory.iterdir()} == before


def test_a_changed_source_matters_only_where_the_data_left_the_store(
    released: Version, changed_source
):
    assert replay(DOMAIN, released.release).is_identical


def test_a_changed_data_file_is_listed(
    released: Version, source: Path, changed_source, without_stored_data
):
    replayed = replay(DOMAIN, released.release)
    assert not replayed.is_identical
    assert kinds(replayed) == {"data"}
    assert {"train_digest", f"data_files.{source}"} <= {d.name for d in replayed.differences}


def test_data_that_is_nowhere_is_an_error(released: Version, source: Path, without_stored_data):
    moved = source.rename(source.with_suffix(".moved"))
    try:
        with pytest.raises(DataError, match="overruling"):
            replay(DOMAIN, released.release)
    finally:
        moved.rename(source)


def test_a_version_without_a_profile_cannot_be_replayed(released: Version):
    bare = register(fetch_adapter(released), "by hand", {})
    with pytest.raises(RegistryError, match="has no profile"):
        replay(DOMAIN, bare.release)
