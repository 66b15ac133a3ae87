"""When a test is due, what counts until then, and the flow that ends it by schedule."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tasks import ab_test as ab
from tests.flows.ab.acting import begin, outcomes, tuneline, write
from tuneline import tracking


def test_the_scheduled_flow_ends_a_test_whose_verdict_is_in(registry, domain, prefect_server):
    from flows.ab_test import ab_test

    assert ab_test(domain) is None
    test = begin(domain)
    assert ab_test(domain) is None
    assert registry.state(domain).running_test == test
    ab.outcome_log(domain).append(ab.split_rows(ab.parse_rows(("", r) for r in outcomes(test)))[0])
    event = ab_test(domain)
    assert (event.kind, event.verdict) == ("ab_end", "promote")
    assert registry.champion(domain).number == "2"
    assert ab_test(domain) is None
    run = tracking.connect(tracking.tracking_uri()).get_run(
        tracking.open_run(domain, f"{domain}:{test.name}")
    )
    assert run.data.metrics["ab/low"] > 0


def test_a_test_whose_time_is_up_is_due_even_if_nobody_can_tell(registry, domain):
    begin(domain, "--max-days", "0.04")
    looked = ab.look(domain)
    assert not ab.is_due(looked._replace(report=replace(looked.report, days=0.03)))
    assert ab.is_due(looked._replace(report=replace(looked.report, days=0.05)))


def test_requests_from_before_the_test_do_not_count(registry, domain, tmp_path):
    test = begin(domain)
    early = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    rows = [{**row, "time": early} for row in outcomes(test, 5)]
    tuneline("record", domain, write(tmp_path / "old.jsonl", rows))
    assert ab.look(domain).report.rows.n_outside == 10
