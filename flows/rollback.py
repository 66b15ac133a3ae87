"""The previous champion returns."""

from prefect import flow

from tasks import hooks, promotion
from tuneline.registry import Version


@flow(name="rollback", flow_run_name="rollback {domain}")
def rollback(domain: str, reason: str, to: str | None = None) -> Version:
    """Return to an earlier champion; nothing is deleted.

    Args:
        domain: Such as `lawyer`.
        reason: Why, for the history.
        to: Release name or version number of an earlier champion; default the previous one.
    """
    champion = promotion.rollback(domain, reason, to)
    hooks.tell(domain)
    return champion
