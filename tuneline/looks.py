"""How often a domain's holdout was looked at: each look is a version of `<domain>-looks` in MLflow.

A candidate that is no better passes the gate in up to 2.5 % of all looks, by luck alone. One
holdout that many candidates were chosen by therefore promotes one of them for nothing sooner or
later: after 50 looks with a probability of up to 72 %.
"""

import logging

from tuneline.entries import add_entry, search_entries
from tuneline.reports import Look
from tuneline.tracking import connect

log = logging.getLogger(__name__)

LOOK_SOURCE = "tuneline-looks:/look"
"""MLflow wants a source for every version; a look has no files."""


def look(
    tracking_uri: str, domain: str, *, generation: int, holdout: str, candidate: str, max_looks: int
) -> Look:
    """Count a candidate's look at a holdout, once however often it is called.

    Args:
        tracking_uri: MLflow server or SQLite file.
        domain: Whose holdout it is.
        generation: `data.split.holdout_generation`. A holdout that grows with the data stays of
            its generation, so its looks go on being counted.
        holdout: Digest of the rows.
        candidate: Digest that identifies the candidate.
        max_looks: For the report.

    Returns:
        The look with its number, which no later look changes.
    """
    name, pair = f"{domain}-looks", (holdout, candidate)
    seen = _looks(tracking_uri, name, generation)
    if pair not in seen:
        tags = {"generation": str(generation), "holdout": holdout, "candidate": candidate}
        add_entry(connect(tracking_uri), name, LOOK_SOURCE, tags)
        seen = _looks(tracking_uri, name, generation)
    found = Look(generation, seen.index(pair) + 1, max_looks)
    log.info("looks: domain=%s generation=%d look=%d", domain, generation, found.number)
    return found


def _looks(tracking_uri: str, name: str, generation: int) -> list[tuple[str, str]]:
    """Holdout and candidate of each look in order; of processes that wrote one twice the first."""
    more = f" and tags.generation = '{generation}'"
    entries = search_entries(connect(tracking_uri), name, more)
    return list(dict.fromkeys((e.tags["holdout"], e.tags["candidate"]) for e in entries))
