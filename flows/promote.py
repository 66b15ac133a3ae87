"""Challenger becomes champion."""

from prefect import flow

from tasks import release
from tuneline.registry import Version


@flow(name="promote", flow_run_name="promote {domain} {version}")
def promote(domain: str, reason: str, version: str = "challenger") -> Version:
    """Make a version the champion of its domain.

    Args:
        domain: Such as `lawyer`.
        reason: Why, for the history.
        version: Release name, version number or `challenger`.
    """
    return release.promote(domain, version, reason)
