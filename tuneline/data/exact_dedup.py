"""Records that read the same: same roles, same comparison texts."""

import logging
from collections.abc import Sequence

from tuneline.data.drops import Drop, Sifted, drop_record
from tuneline.data.splitting import keep_order
from tuneline.records import Record

log = logging.getLogger(__name__)


def drop_exact_duplicates(records: Sequence[Record]) -> Sifted:
    """Keep of each digest the record that comes first in `keep_order`."""
    first: dict[str, Record] = {}
    drops: list[Drop] = []
    for record in sorted(records, key=keep_order):
        kept = first.setdefault(record.digest, record)
        if kept is not record:
            detail = f"reads the same as {kept.place}"
            drops.append(drop_record(record, "exact_dedup", "same_text", detail, kept.digest))
    log.info("exact_dedup: kept=%d dropped=%d", len(first), len(drops))
    return Sifted(list(first.values()), drops)
