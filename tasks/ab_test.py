"""A/B tests: from the ledger and the outcomes to a report, and from a verdict to the ledger."""

import base64
import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tasks.artifacts import show_table, show_text
from tasks.promotion import judge, told
from tasks.stage import network_task
from tuneline import tracking
from tuneline.errors import ABTestError, GateError
from tuneline.registry import Registry
from tuneline.release.ab.analysis import Facts, analyse
from tuneline.release.ab.config import ABTestConfig
from tuneline.release.ab.decision import ABDecision, decide_ab_test
from tuneline.release.ab.outcome_log import OutcomeLog, Recorded
from tuneline.release.ab.outcomes import BadRow, parse_rows, raw_rows, requests_of, split_rows
from tuneline.release.ab.picture import draw_gain
from tuneline.release.ab.report import ABReport
from tuneline.release.checks import APPROVAL, CHAMPION, EVALUATION
from tuneline.release.event import Event
from tuneline.release.ledger import ABTest
from tuneline.store import digest_of, workspace

REPORT, PICTURE = "report.json", "gain.png"
ASKED_OF_USERS = (EVALUATION, CHAMPION)
"""Checks of the gate that the test itself answers: is it better, and than the champion of today?"""
DAY_S = 86_400
Row = dict[str, Any]


class Looked(NamedTuple):
    """One look at a test."""

    test: ABTest
    report: ABReport
    decision: ABDecision
    bad: tuple[BadRow, ...]
    """Rows that are no outcomes."""


def folder_of(domain: str) -> Path:
    """Folder of a domain's outcomes and of the reports of its tests."""
    return workspace() / "ab" / domain


def outcome_log(domain: str) -> OutcomeLog:
    """The outcomes of a domain's requests, of all its tests."""
    return OutcomeLog(folder_of(domain) / "outcomes")


def start(
    domain: str, settings: dict[str, Any], *, version: str, reason: str, actor: str
) -> tuple[ABTest, ABTestConfig]:
    """Begin a test; its users are drawn anew by a salt of its own.

    Raises:
        GateError: The challenger fails a check that no test can answer, such as a licence.
    """
    registry = Registry(tracking.tracking_uri())
    _hold_to_gate(registry, domain, version, spared=(*ASKED_OF_USERS, APPROVAL))
    config = ABTestConfig.model_validate({"salt": f"{domain}-{uuid.uuid4().hex[:12]}", **settings})
    asked = f"{config.challenger_share:.2%} of users, {config.metric} by {config.min_effect:g}"
    reason = reason or asked
    test = registry.start_test(
        domain, version, plan=config.model_dump_json(), actor=actor, reason=reason
    )
    return test, config


def _hold_to_gate(
    registry: Registry, domain: str, name: str, spared: Sequence[str] = ASKED_OF_USERS
) -> None:
    judged = judge(registry, domain, name)
    blocking = [check for check in judged.blocking if check.name not in spared]
    if blocking:
        raise GateError(
            f"{judged.version.release} cannot become champion by an A/B test: {told(blocking)}"
        )


def record(domain: str, files: Iterable[str]) -> tuple[Recorded, tuple[BadRow, ...]]:
    """Copy outcomes of files or objects in a bucket into the log, each row once."""
    rows, bad = split_rows(parse_rows(raw for file in files for raw in raw_rows(file)))
    return outcome_log(domain).append(rows), bad


@network_task("look", run_name="look at the test of {domain}", timeout_s=1800)
def find_running(domain: str) -> Looked | None:
    """A look at the running test, or None where there is none."""
    state = Registry(tracking.tracking_uri()).state(domain)
    return look(domain) if state.running_test else None


def look(domain: str) -> Looked:
    """What is known of a domain's last test now, or when it ended.

    Raises:
        ABTestError: The domain has had no test.
    """
    state = Registry(tracking.tracking_uri()).state(domain)
    if not state.tests:
        raise ABTestError(
            f"{domain} has had no A/B test; begin one with `tuneline ab start {domain}`"
        )
    test, releases = state.tests[-1], state.releases()
    config = ABTestConfig.model_validate_json(test.start.plan)
    began = datetime.fromisoformat(test.start.at)
    now = datetime.fromisoformat(test.end.at) if test.end else datetime.now(UTC)
    outcomes = outcome_log(domain).read()
    requests, counts = requests_of(
        outcomes,
        salt=config.salt,
        challenger_share=config.challenger_share,
        start=began,
        end=now,
    )
    names = [releases[str(v)] for v in (test.start.from_version, test.start.to_version)]
    report = analyse(
        Facts(domain, test.name, names[0], names[1], began), config, requests, counts, now
    )
    return Looked(test, report, decide_ab_test(report), outcomes.bad)


def save(looked: Looked, folder: Path | None = None) -> tuple[Path, str]:
    """Write report and picture; returns their folder and the digest of the report."""
    report = looked.report
    folder = folder or folder_of(report.domain) / report.test
    folder.mkdir(parents=True, exist_ok=True)
    content = report.to_json()
    text = json.dumps(content, indent=1, ensure_ascii=False)
    (folder / REPORT).write_text(text, encoding="utf-8")
    draw_gain(report, looked.decision, folder / PICTURE)
    return folder, digest_of(content)


def finish(looked: Looked, actor: str, reason: str = "") -> Event:
    """End the test by its verdict; a challenger that won is champion by the same event.

    Raises:
        RegistryError: The test is over already, or the challenger's files are gone.
        GateError: It won, but the gate keeps it from promotion; the test goes on.
    """
    report, decision = looked.report, looked.decision
    registry = Registry(tracking.tracking_uri())
    if decision.verdict == "promote":
        _hold_to_gate(registry, report.domain, str(looked.test.start.to_version))
    evidence = log_report(looked)
    given = [reason] if reason else []
    because = f"{decision.verdict}: " + "; ".join([*given, *decision.reasons])
    return registry.end_test(
        report.domain,
        report.test,
        decision.verdict,
        actor=actor,
        reason=because,
        evidence=evidence,
    )


end = network_task("end", run_name="end {looked.report.test}", timeout_s=1800)(finish)
"""`finish` as a task."""


def log_report(looked: Looked) -> str:
    """Keep report and picture on disk and in the test's MLflow run; returns the digest."""
    report, now = looked.report, looked.report.now
    folder, digest = save(looked)
    evidence = folder / f"report-{digest[:16]}.json"
    evidence.write_bytes((folder / REPORT).read_bytes())
    numbers = {"gain": now.gain, "low": now.low, "high": now.high, "requests": now.measured}
    known = {f"ab/{name}": float(v) for name, v in numbers.items() if v is not None}
    key, name = f"{report.domain}:{report.test}", f"{report.domain} {report.test}"
    with tracking.run(report.domain, key, name=name) as run_id:
        tracking.log_params(run_id, {"ab": report.config.model_dump(mode="json")})
        tracking.log_metrics(run_id, known, step=int(report.days * DAY_S))
        for path in (evidence, folder / PICTURE):
            tracking.log_artifacts(run_id, path, "ab")
    return digest


def show(looked: Looked) -> None:
    """Put verdict, picture, arms and guardrails on the Prefect run page."""
    report, decision = looked.report, looked.decision
    folder, _ = save(looked)
    encoded = base64.b64encode((folder / PICTURE).read_bytes()).decode()
    reasons = "\n".join(f"- {reason}" for reason in decision.reasons)
    show_text(
        report.domain,
        "ab-test",
        f"# {report.test}: {decision.verdict}\n\n{reasons}\n\n{pace(report)}\n\n"
        f"![gain over time](data:image/png;base64,{encoded})",
    )
    show_table(report.domain, "ab-test-arms", arm_rows(report), "Both variants")
    if report.guardrails:
        show_table(report.domain, "ab-test-guardrails", guardrail_rows(report), "Guardrails")


def is_due(looked: Looked) -> bool:
    """Whether a running test has its verdict, or its time is up."""
    decision, report = looked.decision, looked.report
    is_over = looked.test.end is not None
    return not is_over and (
        decision.verdict != "cannot tell" or report.days >= report.config.max_days
    )


def arm_rows(report: ABReport) -> list[Row]:
    """Traffic and metric of both variants."""
    return [
        {
            "variant": name,
            "release": arm.release,
            "users": arm.users,
            "requests": arm.requests,
            f"with {report.config.metric}": arm.measured,
            report.config.metric: "none yet" if arm.value is None else f"{arm.value:.4g}",
        }
        for name, arm in (("champion", report.champion), ("challenger", report.challenger))
    ]


def guardrail_rows(report: ABReport) -> list[Row]:
    """Each guardrail, whether it is kept, and why one thinks so."""
    return [
        {"guardrail": guard.rule, "kept": guard.verdict, "seen": guard.reason}
        for guard in report.guardrails
    ]


def pace(report: ABReport) -> str:
    """Days so far, requests per day, and how long it may take."""
    config = report.config
    so_far = f"{report.days:.1f} days, {report.requests_per_day:,.0f} requests per day"
    if report.days_left is None:
        left = "time to decision not known yet"
    elif report.days_left == 0:
        left = f"the interval is as narrow as the smallest effect {config.min_effect:g}"
    else:
        left = (
            f"about {report.days_left:.1f} days until the interval is as narrow as the smallest "
            f"effect {config.min_effect:g}"
        )
    return f"{so_far}; {left}; ends after {config.max_days:g} days at the latest"


def traffic(report: ABReport) -> str:
    """The ratio of users, and where all rows went."""
    rows, ratio = report.rows, report.ratio
    observed = "none" if ratio.observed is None else f"{ratio.observed:.2%}"
    verdict = "WRONG" if ratio.is_wrong else "as it should be"
    return (
        f"users with the challenger: {observed} of {ratio.expected:.2%} expected "
        f"(p = {ratio.p_value:.2g}, {verdict}); rows: {rows.n_read:,} read, {rows.n_used:,} used, "
        f"{rows.n_duplicates:,} duplicate, {rows.n_outside:,} outside the time of the test, "
        f"{rows.n_misassigned:,} of the other variant, {rows.n_bad:,} bad"
    )
