"""Challenger becomes champion."""

from prefect import flow

from tasks import hooks, promotion
from tuneline.registry import Version


@flow(name="promote", flow_run_name="promote {domain} {version}")
def promote(domain: str, reason: str, version: str = "challenger", force: bool = False) -> Version:
    """Make a version the champion of its domain.

    Args:
        domain: Such as `lawyer`.
        reason: Why, for the history.
        version: Release name, version number or `challenger`.
        force: Overrule checks of the gate that do not pass; the history keeps it for ever.
    """
    promoted = promotion.promote(domain, version, reason, force)
    hooks.tell(domain)
    return promoted
