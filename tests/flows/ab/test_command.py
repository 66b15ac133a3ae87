"""`tuneline ab` from start to verdict, on a real MLflow in SQLite."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tasks import ab_test as ab
from tests.flows.ab.acting import begin, outcomes, tuneline, write
from tests.registry.acting import register
from tuneline.errors import ABTestError, GateError, RegistryError
from tuneline.release.checks import GateCheck

ROOT = Path(__file__).parents[3]


def lineage(*checks, approval=False):
    """Of a release that was registered with these checks of the gate."""
    gate = {"checks": [*map(msgspec.to_builtins, checks)], "approval": approval}
    return {"base_model": "tiny", "gate": {**gate, "measured_against": None}}


def test_a_challenger_that_wins_on_the_command_line_is_champion(registry, domain, tmp_path):
    test = begin(domain)
    file = write(tmp_path / "outcomes.jsonl", outcomes(test))
    assert tuneline("record", domain, file).output == "1600 recorded, 0 duplicate, 0 bad\n"
    assert tuneline("record", domain, file).output == "0 recorded, 1600 duplicate, 0 bad\n"
    shown = tuneline("status", domain).output
    assert "Verdict now: promote" in shown
    assert "error_rate<=0.02" in shown
    told = json.loads(tuneline("status", domain, "--json").output)
    assert (told["outcome"], told["verdict"]) == ("running", "promote")
    assert told["report"]["rows"]["n_used"] == 1600
    assert told["picture"].endswith(f"{test.name}/gain.png")
    assert registry.state(domain).running_test == test
    assert "the challenger is champion" in tuneline("stop", domain).output
    champion, event = registry.champion(domain), registry.history(domain)[-1]
    assert (champion.number, event.kind, event.verdict) == ("2", "ab_end", "promote")
    evidence = ab.folder_of(domain) / test.name / f"report-{event.evidence[:16]}.json"
    assert ab.digest_of(json.loads(evidence.read_text())) == event.evidence
    assert "promote" in json.loads(tuneline("status", domain, "--json").output)["outcome"]
    with pytest.raises(ABTestError, match=f"no test is running; {test.name}: promote"):
        tuneline("stop", domain)


def test_a_challenger_that_fails_a_check_is_shown_to_no_user(registry, domain, adapter):
    slow = GateCheck("latency", "fail", "p95 2.1 s; only 1 s are allowed", "a smaller model")
    open_question = GateCheck("evaluation", "cannot tell", "+0.01", "more rows")
    register(registry, domain, adapter, "c3", lineage(open_question, slow))
    with pytest.raises(GateError, match=r"latency: fail, p95 2\.1 s.*a smaller model"):
        begin(domain)
    assert not registry.state(domain).tests
    register(registry, domain, adapter, "c4", lineage(open_question))
    assert begin(domain).start.to_version == "4"


def test_a_test_that_is_won_waits_for_the_approval_that_the_profile_asks_for(
    registry, domain, adapter, tmp_path
):
    release = register(registry, domain, adapter, "c3", lineage(approval=True)).release
    test = begin(domain)
    tuneline("record", domain, write(tmp_path / "outcomes.jsonl", outcomes(test)))
    with pytest.raises(GateError, match=f"tuneline approve {release}"):
        tuneline("stop", domain)
    assert registry.state(domain).running_test == test
    registry.approve(domain, release, actor="bob", reason="read it", evidence="")
    assert "the challenger is champion" in tuneline("stop", domain).output
    assert registry.champion(domain).release == release


def test_bad_rows_are_shown_and_end_with_exit_code_1(registry, domain, tmp_path):
    test = begin(domain)
    rows = [*outcomes(test, 2), {"request_id": "r"}]
    result = tuneline("record", domain, write(tmp_path / "some.jsonl", rows))
    assert (result.exit_code, result.output.splitlines()[0]) == (
        1,
        "4 recorded, 0 duplicate, 1 bad",
    )
    assert "some.jsonl:5: user_id is None" in result.output


def test_stopping_before_anything_is_known_leaves_the_champion(registry, domain):
    begin(domain)
    assert "ended with 'cannot tell', the champion stays" in tuneline("stop", domain).output
    assert registry.champion(domain).number == "1"
    assert registry.state(domain).challenger == "2"
    again = begin(domain)
    assert again.name != registry.state(domain).tests[0].name


def test_a_promotion_from_elsewhere_is_told_by_status(registry, domain):
    begin(domain)
    registry.promote(domain, "2", actor="bob", reason="no patience", evidence="")
    assert "ended from elsewhere by event" in tuneline("status", domain, "--json").output
    with pytest.raises(ABTestError, match=r"ended from elsewhere by event \d+: bob"):
        tuneline("stop", domain)


def test_wrong_settings_and_tests_that_are_not_there_are_one_sentence(registry, domain):
    words = ("start", domain, "--metric", "thumbs_up", "--min-effect")
    with pytest.raises(ABTestError, match=r"min_effect is -1\.0: Input should be greater than 0"):
        tuneline(*words, "-1")
    with pytest.raises(ABTestError, match="guardrail 'fast' is none"):
        tuneline(*words, "0.1", "--guardrail", "fast")
    with pytest.raises(ABTestError, match="has had no A/B test"):
        tuneline("status", domain)
    begin(domain)
    with pytest.raises(RegistryError, match="is running since"):
        tuneline(*words, "0.1")


@pytest.mark.parametrize("verb", ["start", "status", "stop", "record", "serve"])
def test_help_imports_nothing_heavy(verb):
    code = (
        "import sys; sys.argv = ['tuneline', 'ab', sys.argv[1], '--help']\n"
        "from flows.cli import app\n"
        "try: app()\n"
        "except SystemExit as done: assert done.code == 0\n"
        "heavy = {'torch', 'prefect', 'mlflow', 'polars', 'numpy', 'scipy', 'fastapi'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", code, verb]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "Usage" in output
