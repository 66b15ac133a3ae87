"""A person's yes or no to a release: asked on the Prefect run page or given on the command line."""

import logging
from typing import Literal, NamedTuple

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.input import RunInput
from pydantic import Field

from tasks import gate, promotion
from tasks.artifacts import show_table
from tasks.promotion import Judged
from tasks.release import whoami
from tuneline import tracking
from tuneline.errors import GateError, RegistryError
from tuneline.registry import Registry
from tuneline.release.checks import APPROVAL
from tuneline.release.event import Event
from tuneline.release.version import ReleaseName

log = logging.getLogger(__name__)

FLOW = "approve"
DEPLOYMENT = f"{FLOW}/{FLOW}"
Says = Literal["approve", "refuse"]


class Approval(RunInput):
    """The form on the run page."""

    decision: Says = Field(default="refuse", description="What shall happen to the release.")
    comment: str = Field(default="", description="Why; it stays in the history.")
    reviewer: str = Field(default="", description="Your name; it stays in the history.")


class Question(NamedTuple):
    """A release that waits for an answer."""

    release: str
    judged: Judged

    @property
    def domain(self) -> str:
        """Of the release."""
        return self.judged.version.domain

    @property
    def text(self) -> str:
        """What the person reads above the form, as Markdown."""
        rows = "\n".join(f"- **{c.name}**: {c.result}, {c.found}" for c in self.judged.checks)
        return f"# Promote {self.release}?\n\n{rows}\n\nNo answer counts as a refusal."


def ask(release: str) -> Question:
    """Judge a release, and show its checks on the run page.

    Raises:
        GateError: A check besides approval blocks it, so there is nothing to ask.
    """
    domain = ReleaseName.parse(release).domain
    judged = promotion.judge(Registry(tracking.tracking_uri()), domain, release)
    _check_rest(judged)
    show_table(domain, "approval", gate.gate_rows(judged.checks), f"May {release} be promoted?")
    return Question(release, judged)


def request(release: str, timeout_h: float) -> bool:
    """Start the flow run that asks, once per release; False where it is not deployed."""
    parameters = {"release": release, "timeout_h": timeout_h}
    try:
        run_deployment(
            DEPLOYMENT, parameters=parameters, timeout=0, as_subflow=False,
            idempotency_key=f"approve-{release}",
        )  # fmt: skip
    except ObjectNotFound:
        log.info("approval: %s is not deployed; `tuneline approve %s` answers", DEPLOYMENT, release)
        return False
    return True


def settle(question: Question, said: Approval) -> str:
    """Carry out what the form says, unless somebody answered elsewhere meanwhile."""
    if event := _answered(question):
        return f"{question.release}: {event.actor} has decided: {event.kind} ({event.why})"
    actor = f"{said.reviewer or 'somebody'} in the Prefect UI"
    return answer(question.release, said.decision, said.comment or "no comment", actor)


def expire(question: Question, timeout_h: float) -> str:
    """Refuse a release that nobody answered for, unless somebody did elsewhere."""
    if event := _answered(question):
        return f"{question.release}: {event.actor} has decided: {event.kind} ({event.why})"
    return answer(question.release, "refuse", f"nobody approved it within {timeout_h:g} h")


def answer(release: str, says: Says, reason: str, actor: str | None = None) -> str:
    """Approve a release and make it champion, or refuse it; returns what was done.

    Args:
        release: Release name.
        says: approve or refuse.
        reason: Why, for the history.
        actor: Who says so; default this user.

    Raises:
        GateError: It is approved, and another check blocks it.
    """
    registry = Registry(tracking.tracking_uri())
    domain, actor = ReleaseName.parse(release).domain, actor or whoami()
    version = registry.find(domain, release)
    signed = {"actor": actor, "reason": reason, "evidence": version.evidence}
    if says == "refuse":
        registry.refuse(domain, version.number, **signed)
        return f"{release} is refused"
    if registry.state(domain).champion == version.number:
        raise RegistryError(f"{release} is champion already")
    _check_rest(promotion.judge(registry, domain, release))
    registry.approve(domain, version.number, **signed)
    promotion.promote(domain, version.number, reason, actor=actor)
    return f"{domain}: champion is now {release} (version {version.number})"


def close_forms(release: str, says: Says, reason: str) -> int:
    """Let flow runs go on that still ask about a release which was answered here; counted."""
    said = {"decision": says, "comment": reason, "reviewer": whoami()}
    waiting = [run for run in _waiting() if (run.parameters or {}).get("release") == release]
    with get_client(sync_client=True) as client:
        for run in waiting:
            client.resume_flow_run(run.id, run_input=said)
    return len(waiting)


def _waiting() -> list[FlowRun]:
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
            flow_run_filter=FlowRunFilter(
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED]))
            ),
        )


def _check_rest(judged: Judged) -> None:
    if any(check.name != APPROVAL for check in judged.blocking):
        raise GateError(promotion.refusal(judged))


def _answered(question: Question) -> Event | None:
    """The first event after the question that decides on the release."""
    state = Registry(tracking.tracking_uri()).state(question.domain)
    number = question.judged.version.number
    later = [e for e in state.events if e.number > question.judged.head]
    said = [e for e in later if e.kind in ("approve", "refuse") or e.moves_champion]
    return next((event for event in said if event.to_version == number), None)
