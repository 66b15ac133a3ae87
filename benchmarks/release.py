"""The release ledger under load: torn reads, lost promotions, time of a rollback.

    python -m benchmarks.release [--reads 10000] [--minutes 5]

writes benchmarks/results/release.json, per backend: MLflow in a SQLite file, an MLflow server on
SQLite, an MLflow server on PostgreSQL (where that is installed).
"""

import argparse
import json
import random
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import registry_servers as servers
from tuneline import tracking
from tuneline.errors import RegistryError
from tuneline.registry import Registry
from tuneline.release.ledger import LedgerState, states

RESULTS = Path(__file__).parent / "results" / "release.json"
PROMOTIONS, WRITERS = 50, 5
"""Promotions at once, and the processes that their threads are in."""
READERS, VERSIONS, ROLLBACKS = 2, 4, 10
GIVE_UP_S = 1800.0
"""After which a writer that is always overtaken, or has lost its server, is an error."""
MAX_WAIT_S = 60.0
"""Between two tries of a writer that was overtaken; they grow, and are random."""
READS_PER_LEDGER = 1000
"""A new ledger after so many: reading one takes time that grows with its events."""


class Read(NamedTuple):
    """What one read showed."""

    head: int
    champion: str | None
    previous: tuple[str, ...]
    challenger: str | None


def measure(uri: str, reads: int, minutes: float) -> dict[str, Any]:
    """All numbers of one backend."""
    context = get_context("spawn")
    with ProcessPoolExecutor(WRITERS + READERS, mp_context=context) as pool:
        return {
            **rollback_times(Registry(uri)),
            **promote_at_once(uri, pool),
            **read_under_changes(uri, pool, reads, minutes),
        }


def rollback_times(registry: Registry) -> dict[str, Any]:
    """Seconds of a rollback, files verified and aliases moved, in a process that is started."""
    domain = new_domain(registry, VERSIONS)
    took = []
    for _ in range(ROLLBACKS):
        for version in ("1", "2"):
            with_champion(registry, domain, version)
        started = time.perf_counter()
        registry.rollback(domain, actor="benchmark", reason="measured")
        took.append(time.perf_counter() - started)
    return {
        "rollback_s": round(statistics.median(took), 3),
        "rollback_max_s": round(max(took), 3),
        "rollbacks": len(took),
    }


def promote_at_once(uri: str, pool: Executor) -> dict[str, Any]:
    """Every writer tries again until its promotion is in the chain; each has a key of its own."""
    registry = Registry(uri)
    domain = new_domain(registry, VERSIONS)
    keys = [f"promotion {i}" for i in range(PROMOTIONS)]
    started = time.perf_counter()
    shares = [keys[i::WRITERS] for i in range(WRITERS)]
    told = list(pool.map(promote_all, [uri] * WRITERS, [domain] * WRITERS, shares))
    won = {key: number for share in told for key, number in share.items()}
    state = registry.mend(domain)
    chain = [event for event in state.events if event.kind == "promote"]
    in_chain = {event.key: event.number for event in chain}
    moves = [(event.from_version, event.to_version) for event in chain]
    broken = sum(after[0] != before[1] for before, after in pairwise(moves))
    return {
        "concurrent_promotions": len(keys),
        "concurrent_promotions_lost": sum(won.get(key) != in_chain.get(key) for key in keys)
        + sum(key not in in_chain for key in keys),
        "concurrent_promotions_doubled": len(chain) - len(in_chain),
        "concurrent_promotions_broken_links": broken,
        "concurrent_promotions_overtaken": len(state.void),
        "concurrent_promotions_s": round(time.perf_counter() - started, 1),
    }


def promote_all(uri: str, domain: str, keys: list[str]) -> dict[str, int]:
    """Promote once per key, all at the same time; returns the event that each was told."""
    registry, deadline = Registry(uri), time.monotonic() + GIVE_UP_S

    def promote(key: str) -> int:
        n_lost = 0
        while time.monotonic() < deadline:
            version = str(random.randint(1, VERSIONS))
            try:
                return registry.promote(
                    domain, version, actor=key, reason="", evidence="", key=key
                ).number
            except RegistryError:  # overtaken, or champion already
                n_lost += 1
                time.sleep(random.uniform(0, min(2.0**n_lost, MAX_WAIT_S)))
        raise TimeoutError(f"{key} was not written in {GIVE_UP_S:.0f} s")

    with ThreadPoolExecutor(len(keys)) as threads:
        return dict(zip(keys, threads.map(promote, keys), strict=True))


def read_under_changes(uri: str, pool: Executor, reads: int, minutes: float) -> dict[str, Any]:
    """Read while two threads of another process promote and roll back without a pause."""
    registry, found, torn, backwards, changes = Registry(uri), 0, 0, 0, 0
    deadline = time.monotonic() + 60 * minutes
    while found < reads and time.monotonic() < deadline:
        domain = new_domain(registry, VERSIONS)
        with tempfile.TemporaryDirectory() as folder:
            stop = Path(folder, "stop")
            writer = pool.submit(change_without_pause, uri, domain, str(stop))
            n = min(READS_PER_LEDGER, reads - found) // READERS
            left_s = deadline - time.monotonic()
            readers = [pool.submit(read_often, uri, domain, n, left_s) for _ in range(READERS)]
            seen = [reader.result() for reader in readers]
            stop.touch()
            changes += writer.result()
        true = {shown(state) for state in states(registry.state(domain).events)}
        found += sum(map(len, seen))
        torn += sum(read not in true for one in seen for read in one)
        backwards += sum(b.head < a.head for one in seen for a, b in pairwise(one))
    return {
        "reads": found, "torn_reads": torn, "reads_that_went_back": backwards,
        "changes_meanwhile": changes,
    }  # fmt: skip


def read_often(uri: str, domain: str, n: int, seconds: float) -> list[Read]:
    """Read a ledger n times, or as often as the time allows."""
    registry, deadline, found = Registry(uri), time.monotonic() + seconds, []
    while len(found) < n and time.monotonic() < deadline:
        found.append(shown(registry.state(domain)))
    return found


def change_without_pause(uri: str, domain: str, stop: str) -> int:
    """Promote and roll back from two threads until the file is there; returns events written."""
    registry, deadline = Registry(uri), time.monotonic() + GIVE_UP_S

    def change(seed: int) -> int:
        dice, n = random.Random(seed), 0
        while not Path(stop).exists() and time.monotonic() < deadline:
            try:
                if dice.random() < 0.5:
                    registry.rollback(domain, actor="writer", reason="")
                else:
                    version = str(dice.randint(1, VERSIONS))
                    registry.promote(domain, version, actor="writer", reason="", evidence="")
                n += 1
            except RegistryError:  # overtaken, champion already, or no earlier champion
                continue
        return n

    with ThreadPoolExecutor(2) as threads:
        return sum(threads.map(change, range(2)))


def shown(state: LedgerState) -> Read:
    """What a reader takes from a state."""
    return Read(state.head, state.champion, state.previous, state.challenger)


def with_champion(registry: Registry, domain: str, version: str) -> None:
    """Promote a version unless it is champion."""
    if registry.state(domain).champion != version:
        registry.promote(domain, version, actor="benchmark", reason="", evidence="")


def new_domain(registry: Registry, n_versions: int) -> str:
    """A domain with so many versions of a small adapter."""
    domain = f"bench_{uuid.uuid4().hex[:10]}"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "adapter_config.json").write_text("{}")
        Path(folder, "adapter_model.safetensors").write_bytes(bytes(2**20))
        for number in range(1, n_versions + 1):
            registry.register(
                domain,
                adapter=Path(folder),
                candidate=f"c{number}",
                day=date(2026, 1, 1),
                lineage={"base_model": "none"},
                run_id=tracking.open_run(domain, f"c{number}"),
                description="",
                actor="benchmark",
            )
    return domain


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """An MLflow server with two workers on PostgreSQL."""
    with servers.postgres() as store, servers.mlflow_server(folder, store, workers=2) as uri:
        yield uri


BACKENDS: Mapping[str, Callable[[Path], AbstractContextManager[str]]] = {
    "SQLite file": servers.sqlite_file,
    "MLflow server on SQLite": servers.mlflow_server,
    "MLflow server on PostgreSQL": postgres_server,
}


def main() -> None:
    """Measure the backends that are installed and write the result file after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=10_000)
    parser.add_argument("--minutes", type=float, default=5, help="for the reads of each backend")
    parser.add_argument("--only", choices=BACKENDS, action="append")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"backends": {}}
    for name in options.only or BACKENDS:
        if "PostgreSQL" in name and not servers.has_postgres():
            print(f"{name}: left out, PostgreSQL is not installed")
            continue
        with tempfile.TemporaryDirectory() as folder, BACKENDS[name](Path(folder)) as uri:
            numbers = measure(uri, options.reads, options.minutes)
        print(name, json.dumps(numbers), flush=True)
        results["backends"][name] = numbers
        results |= {"at": datetime.now(UTC).isoformat(timespec="seconds"), "commit": _commit()}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
