"""A person is asked whether a release becomes champion."""

from prefect import flow
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import pause_flow_run

from flows.one_sentence import fails_in_one_sentence
from tasks import approval, hooks

POLL_S = 10
HOUR_S = 3600


@flow(name=approval.FLOW, flow_run_name="approve {release}")
@fails_in_one_sentence
def approve(release: str, timeout_h: float = 72.0, poll_s: int = POLL_S) -> str:
    """Show the checks of a release and a form: approve or refuse, with a comment.

    Args:
        release: Such as `v1.1-lawyer-20261123`.
        timeout_h: Hours; no answer counts as a refusal.
        poll_s: Seconds between looks for the answer.
    """
    question = approval.ask(release)
    form = approval.Approval.with_initial_data(description=question.text)
    try:
        said = pause_flow_run(form, timeout=round(timeout_h * HOUR_S), poll_interval=poll_s)
    except FlowPauseTimeout:
        return approval.expire(question, timeout_h)
    done = approval.settle(question, said)
    hooks.tell(question.domain, since=question.judged.head)
    return done
