"""Challenger against champion on real traffic."""

from prefect import flow

from tasks import ab_test as ab
from tasks import hooks
from tasks.release import whoami
from tuneline.release.event import Event


@flow(name="ab-test", flow_run_name="ab-test {domain}")
def ab_test(domain: str) -> Event | None:
    """Look at the running test of a domain, and end it where its verdict is in or its time is up.

    Args:
        domain: Such as `lawyer`.

    Returns:
        The event that ended the test, or None where it goes on or none is running.
    """
    looked = ab.find_running(domain)
    if looked is None:
        return None
    ab.show(looked)
    if not ab.is_due(looked):
        return None
    event = ab.end(looked, whoami())
    hooks.tell(domain, since=event.follows)
    return event
