"""Cleaning up: only what is old and needed by no release that is kept, and only when asked."""

import os
import time
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasks import clean_up, run_log
from tasks.stage import StageRun
from tuneline import tracking
from tuneline.errors import RegistryError
from tuneline.registry import Registry, Version
from tuneline.store import MANIFEST, StageOutput, Store

KEEP_DAYS = 30.0


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    return tmp_path


def built(root: Path, stage: str, name: str, *, is_old: bool = True) -> StageOutput:
    output = Store(root).build(stage, {"of": name}, lambda out: _fill(out / name))
    if is_old:
        age(output.path / MANIFEST)
    return output


def _fill(path: Path) -> None:
    path.write_text("content")


def age(*paths: Path) -> None:
    then = time.time() - 2 * KEEP_DAYS * 86_400
    for path in paths:
        os.utime(path, (then, then))


def released(root: Path, candidate: str) -> Version:
    """A version whose adapter the store has, and a log of its run."""
    adapter = built(root, "train", candidate)
    version = Registry(tracking.tracking_uri()).register(
        "cleaned", adapter=adapter.path, candidate=candidate, day=date(2025, 4, 1),
        lineage={"train_key": adapter.key}, run_id=tracking.open_run("cleaned", candidate),
        description="", actor="ann",
    )  # fmt: skip
    merged = built(root, "merge", candidate)
    stages = [StageRun("merge candidate", "merge", merged.key, False, 1.0)]
    run_log.keep("cleaned", "cleaned", candidate, version.number, stages)
    return version


def paths(planned: clean_up.Plan) -> set[str]:
    return {waste.path.relative_to(os.environ["TUNELINE_WORKSPACE"]).parts[1] for waste in
            planned.paths}  # fmt: skip


def test_what_is_used_again_is_young(root: Path):
    built(root, "scores", "once")
    built(root, "answers", "again")
    Store(root).build("answers", {"of": "again"}, _fill)
    assert paths(clean_up.plan(KEEP_DAYS)) == {"scores"}


def test_base_models_stay_and_left_overs_of_killed_runs_go(root: Path):
    built(root, "base_model", "tiny")
    left = root / "work" / "train-abc"
    left.mkdir(parents=True)
    _fill(left / "checkpoint")
    age(left / "checkpoint", left)
    (waste,) = clean_up.plan(KEEP_DAYS).paths
    assert (waste.path, waste.why) == (left, "left by a run that was killed")


def test_listing_deletes_nothing_and_deleting_spares_champions_and_what_made_them(
    root: Path, monkeypatch: pytest.MonkeyPatch
):
    registry = Registry(tracking.tracking_uri())
    champion, passed_over, challenger = (released(root, name) for name in ("c1", "c2", "c3"))
    registry.promote("cleaned", champion.number, actor="ann", reason="", evidence="digest")
    built(root, "scores", "of nobody")
    history = registry.history("cleaned")
    much_later = SimpleNamespace(time=lambda: time.time() + 1e9)
    monkeypatch.setattr("tuneline.registry.retention.time", much_later)
    planned = clean_up.plan(KEEP_DAYS)
    assert [version.release for version in planned.versions] == [passed_over.release]
    assert paths(planned) == {"train", "merge", "scores"}
    assert len(planned.paths) == 3, "one of each: those of the version that never served"
    assert all(waste.path.exists() for waste in planned.paths)

    assert clean_up.delete(planned, KEEP_DAYS) == 4
    assert not any(waste.path.exists() for waste in planned.paths)
    assert registry.history("cleaned") == history
    for kept in (champion, challenger):
        assert registry.download(kept, root / "again").is_dir()
    with pytest.raises(RegistryError, match=f"files of version {passed_over.number}"):
        registry.promote("cleaned", passed_over.number, actor="a", reason="", evidence="digest")
    assert clean_up.plan(KEEP_DAYS) == clean_up.Plan([], [])


def test_what_is_used_between_the_plan_and_its_deletion_stays(root: Path):
    output = built(root, "scores", "late")
    planned = clean_up.plan(KEEP_DAYS)
    Store(root).build("scores", {"of": "late"}, _fill)
    assert clean_up.delete(planned, KEEP_DAYS) == 0
    assert output.path.is_dir()
