"""The verbs that read a ledger, on a real registry."""

import json
from datetime import date

import pytest
from typer.testing import CliRunner

from flows.cli import app
from tuneline import tracking
from tuneline.errors import RegistryError
from tuneline.registry import Registry

CANDIDATE = "0123456789abcdef"


@pytest.fixture(scope="module")
def registry(workspace_dir, tmp_path_factory):
    """A domain with one champion and one refused candidate."""
    adapter = tmp_path_factory.mktemp("adapter")
    (adapter / "adapter_config.json").write_text("{}")
    registry = Registry(tracking.tracking_uri())
    registry.register(
        "told",
        adapter=adapter,
        candidate="c1",
        day=date(2025, 4, 1),
        lineage={"base_model": "tiny"},
        run_id=tracking.open_run("told", "c1"),
        description="",
        actor="ann",
    )
    registry.promote("told", "1", actor="ann", reason="better", evidence="digest")
    key = f"refuse:{CANDIDATE}"
    reason = "slice a loses 0.10; only 3 of 9 answered"
    registry.refuse("told", None, actor="bob", reason=reason, evidence="sha", key=key)
    return registry


def run(*arguments):
    done = CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    return done.exit_code, done.stdout


def test_a_refused_candidate_is_explained_reason_by_reason(registry):
    _, text = run("why", CANDIDATE[:8])
    assert "refuse of a candidate without a release name by bob" in text
    assert "champion was v1.0-told-20250401" in text
    assert "  - slice a loses 0.10\n  - only 3 of 9 answered\n" in text
    assert "evidence sha" in text


@pytest.mark.parametrize("name", ["v1.0-told-20250401", "told@1", "told@champion"])
def test_a_release_is_named_by_release_number_or_alias(registry, name):
    _, text = run("why", name, "--json")
    assert [event["kind"] for event in json.loads(text)] == ["register", "promote"]


def test_names_that_no_ledger_knows_are_errors(registry):
    for name in ("abcdef", "1", "v1.0"):
        with pytest.raises(RegistryError, match=f"no ledger knows '{name}'"):
            run("why", name)


def test_history_tells_the_champion_of_a_moment_and_its_zone(registry):
    _, text = run("history", "told", "--at", "2020-01-01T10:00Z")
    assert "champion   none" in text
    _, text = run("history", "told", "--at", "9000-01-01T10:00")
    assert "champion   v1.0-told-20250401" in text
    assert "by the writers' clocks" in text
    _, text = run("history", "told", "--at", "9000-01-01T10:00", "--json")
    assert json.loads(text)["champion"] == "v1.0-told-20250401"


def test_history_is_printed_as_json_and_drawn(registry, tmp_path):
    _, text = run("history", "told", "--json", "--picture", str(tmp_path / "told.png"))
    events = json.loads(text)
    assert [(e["kind"], e["version"], e["evidence"]) for e in events][1:] == [
        ("promote", "1", "digest"),
        ("refuse", None, "sha"),
    ]
    assert (tmp_path / "told.png").read_bytes()[:4] == b"\x89PNG"


def test_a_hand_moved_alias_fails_verification_until_it_is_reconciled(registry):
    assert run("verify", "told") == (0, "told: 0 found; files of all releases were compared\n")
    registry.client.delete_registered_model_alias("told", "champion")
    code, text = run("verify", "told", "--json")
    assert code == 1
    [found] = json.loads(text)
    assert (found["kind"], found["found"]) == (
        "by hand",
        "alias champion is on version None, not on 1",
    )
    code, text = run("verify", "told", "--reconcile", "--reason", "a slip")
    assert (code, "a slip: alias champion is on version None" in text) == (0, True)
    assert registry.history("told")[-1].kind == "reconcile"
