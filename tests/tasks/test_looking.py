"""What `tuneline status` and `tuneline diff` read from real servers."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from tasks import difference, status
from tests.reporting.examples import facts
from tuneline import tracking
from tuneline.release.difference import Changed
from tuneline.reports import save_report

SIGNED = {"actor": "ann", "reason": "better", "evidence": "digest"}
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def register(registry, request, adapter):
    domain = request.node.name

    def register(candidate, **lineage):
        return registry.register(
            domain,
            adapter=adapter,
            candidate=candidate,
            day=date(2025, 4, 1),
            lineage=lineage,
            run_id=tracking.open_run(domain, candidate),
            description="",
            actor="ann",
        )

    return register


def read(registry, domain, next_runs=None):
    [found] = status.read(registry, [domain], next_runs or {})
    return found


def test_status_tells_champion_challenger_verdict_and_test(registry, register):
    first = register("c1", verdict="promote")
    domain = first.domain
    assert (read(registry, domain).champion, read(registry, domain).verdict) == (None, "promote")
    registry.promote(domain, first.number, **SIGNED, forced="latency")
    assert read(registry, domain).verdict == "FORCED promote"
    second = register("c2", verdict="cannot tell")
    registry.start_test(domain, second.number, plan="{}", actor="ann", reason="try")
    found = read(registry, domain, {domain: "2026-11-30T19:00:00+00:00"})
    assert (found.champion, found.challenger) == (first.release, second.release)
    assert (found.verdict, found.running_test) == ("cannot tell", "ab-4")
    [row] = status.rows([found], datetime.fromisoformat(str(found.champion_since)))
    assert row["champion"] == f"{first.release}, just now"
    assert row["next retraining"] == "2026-11-30T19:00:00+00:00"
    assert status.as_json([found])[0]["champion"] == first.release


def test_copies_for_rehearsals_are_no_domains_of_their_own(registry, register, tmp_path):
    domain = register("c1").domain
    registry.register(
        f"{domain}_drill", adapter=tmp_path / "adapter", candidate="c",
        day=date(2025, 4, 1), lineage={}, run_id=tracking.open_run(domain, "c9"),
        description="", actor="ann",
    )  # fmt: skip
    assert domain in status.domains(registry)
    assert f"{domain}_drill" not in status.domains(registry)


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(days=9), "9 days"),
    ],
)
def test_ages_are_told_in_their_largest_unit(passed, said):
    assert status.age((NOW - passed).isoformat(), NOW) == said


def test_the_next_retraining_is_the_earliest_that_prefect_has_scheduled(
    prefect_server, monkeypatch
):
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.states import Scheduled

    monkeypatch.chdir(Path(__file__).parent.parent.parent)

    @flow(name="retrain")
    def retrain(profile: str):
        """Stands for the flow of this name."""

    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=2)
    with get_client(sync_client=True) as client:
        for profile, days in (("smoke", 1), ("smoke", 0), ("gone", 0)):
            due = Scheduled(scheduled_time=later + timedelta(days=days))
            client.create_flow_run(retrain, parameters={"profile": profile}, state=due)
    assert status.scheduled() == {"smoke": later.isoformat()}


def test_two_releases_are_compared_by_lineage_counts_metrics_and_answers(
    registry, register, tmp_path
):
    old = register("c1", packages={"torch": "2.13.0"}, profile={"training": {"rank": 16}})
    new = register("c2", packages={"torch": "2.14.0"}, profile={"training": {"rank": 16}})
    for version, said in ((old, ["Yes", "No", None]), (new, ["Yes", "Yes", None])):
        save_report(tmp_path / "facts.json", facts())
        tracking.log_artifacts(version.run_id, tmp_path / "facts.json", "release")
        scores = pl.DataFrame({"digest": ["a", "b", "c"], "prediction": said})
        scores.write_parquet(tmp_path / "scores.parquet")
        tracking.log_artifacts(version.run_id, tmp_path / "scores.parquet", "evaluation/candidate")
    found = difference.compare(old.release, new.release)
    assert found.changed == [Changed("packages", "packages.torch", "2.13.0", "2.14.0")]
    assert {row["metric"]: row["difference"] for row in found.metrics}["rougeL"] == "+0.000"
    assert found.answers is not None
    assert (found.answers.n, found.answers.n_equal) == (3, 2)


def test_releases_without_stored_numbers_are_compared_by_their_lineage_alone(registry, register):
    old, new = register("c1", seed=1, profile={"a": 1}), register("c2", seed=1, profile={"a": 2})
    found = difference.compare(old.release, new.release)
    assert found.changed == [Changed("settings", "a", "1", "2")]
    assert (found.metrics, found.answers) == ([], None)
