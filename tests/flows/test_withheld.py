"""A release that a person rolled back is not promoted again by the schedule."""

from datetime import date
from pathlib import Path

import pytest

from flows.promote import promote
from flows.retrain import retrain
from tuneline import tracking
from tuneline.registry import Registry, Version

ROOT = Path(__file__).parent.parent.parent
WHO = {"actor": "ann", "reason": "the night of the incident"}


@pytest.mark.slow
def test_what_was_rolled_back_comes_back_with_a_new_reason_only(
    prefect_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    first = retrain("smoke")
    assert first.version is not None
    registry = Registry(tracking.tracking_uri())
    other = register_again(registry, tmp_path, first.version)
    registry.promote("smoke", other.number, evidence="", **WHO)
    registry.promote("smoke", first.version.number, evidence="", **WHO)
    registry.rollback("smoke", **WHO)

    scheduled = retrain("smoke")
    assert scheduled.decision.verdict == "promote"
    assert scheduled.version == first.version
    assert scheduled.alias is None
    assert "ann rolled it back" in scheduled.note
    assert "tuneline promote smoke" in scheduled.note
    assert registry.champion("smoke") == other

    promote("smoke", "mended what was wrong", first.version.release, force=True)
    assert registry.champion("smoke") == first.version
    assert retrain("smoke").alias == "champion"


def register_again(registry: Registry, workspace: Path, version: Version) -> Version:
    """The same adapter as another release of the domain."""
    folder = registry.download(version, workspace / "downloads")
    return registry.register(
        "smoke", adapter=folder, candidate="another", day=date(2026, 1, 1),
        lineage={"base_model": "none"}, run_id=version.run_id, description="", actor="ann",
    )  # fmt: skip
