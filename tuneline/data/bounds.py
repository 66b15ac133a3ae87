"""How many records `memory_mib` can compare: refused before the comparison, not found out in it."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq

from tuneline.errors import DataError

KEY_BYTES = 200
"""Most bytes that comparing takes per record, all keys of a step and its sorts together."""
SHARE_OF_SKETCHES = 8
"""Of `memory_mib` this part may be pages of files with sketches; the rest is for keys, or for the
texts that are written."""


def count_rows(files: Iterable[Path]) -> int:
    """Rows of Parquet files."""
    return sum(pq.read_metadata(file).num_rows for file in files)


def check_keys_fit(n_records: int, n_outside: int, memory_mib: int) -> None:
    """Stop before the keys of all records outgrow the setting.

    Args:
        n_records: Cleaned records.
        n_outside: Records of earlier runs and benchmarks, which they are compared with.
        memory_mib: The setting.

    Raises:
        DataError: They do not fit.
    """
    needed_mib = -(-KEY_BYTES * (n_records + n_outside) // 2**20)
    least = -(-needed_mib * SHARE_OF_SKETCHES // (SHARE_OF_SKETCHES - 1))
    if least > memory_mib:
        raise DataError(
            f"comparing {n_records:,} records with each other and with {n_outside:,} of earlier "
            f"runs and benchmarks takes about {needed_mib:,} MiB for their keys, which "
            f"data.memory_mib={memory_mib} does not allow; set data.memory_mib to {least} or more "
            "on a machine that has it (a cluster in data.engine does not help here: records are "
            "compared on one machine), or make several domains of the data"
        )
