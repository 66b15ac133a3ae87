"""Writers at once, on a real MLflow registry in SQLite."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.registry.acting import JUDGED, WHO, aliases, register, register_all
from tuneline.release.event import Event
from tuneline.release.ledger import OvertakenError

ROOT = Path(__file__).parents[2]


def test_a_repeated_call_with_one_key_is_one_event(registry, domain, adapter):
    for version in register_all(registry, domain, adapter, 2):
        registry.promote(domain, version.number, **JUDGED)
    first = registry.rollback(domain, key="night of the 3rd", **WHO)
    assert registry.rollback(domain, key="night of the 3rd", **WHO) == first


def test_concurrent_registrations_get_different_release_names(registry, domain, adapter):
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(register, registry, domain, adapter, f"c{i}") for i in range(4)]
    releases = sorted(call.result().release for call in calls)
    assert releases == [f"v1.{minor}-{domain}-20250401" for minor in range(4)]


def test_of_two_writers_that_saw_one_head_the_second_is_told_who_won(registry, domain, adapter):
    one, two = register_all(registry, domain, adapter, 2)
    head = registry.state(domain).head
    registry.promote(domain, one.number, **JUDGED)
    with pytest.raises(OvertakenError, match=f"ann was first with promote of {domain}, none -> 1"):
        registry.append(Event("promote", domain, "bob", "", "k", two.number, follows=head))
    with pytest.raises(OvertakenError, match="ann was first"):
        registry.promote(domain, two.number, expected_head=head, **JUDGED)
    assert registry.champion(domain) == one


def test_a_registration_does_not_take_a_promotion_away(registry, domain, adapter):
    one = register(registry, domain, adapter, "c1")
    head = registry.state(domain).head
    register(registry, domain, adapter, "c2")
    registry.promote(domain, one.number, expected_head=head, **JUDGED)
    assert registry.champion(domain) == one


WRITERS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from tuneline.errors import RegistryError
from tuneline.registry import Registry
uri, domain, *names = sys.argv[1:]
registry = Registry(uri)
print("ready", flush=True)
sys.stdin.readline()

def promote_often(name):
    for turn in range(4):
        try:
            event = registry.promote(domain, name, actor=name, reason="", evidence="digest")
            print(f"won {event.number}\\n", end="")
        except RegistryError as error:
            is_told = "was first" in str(error) or "champion already" in str(error)
            print(f"lost {is_told}\\n", end="")

with ThreadPoolExecutor(2) as pool:
    list(pool.map(promote_often, names))
"""


@pytest.mark.slow
def test_promotions_from_processes_and_threads_at_once_make_one_chain(registry, domain, adapter):
    numbers = [version.number for version in register_all(registry, domain, adapter, 4)]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITERS, registry.uri, domain, *names],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for names in (numbers[:2], numbers[2:])
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    told = [line.split() for w in writers for line in w.communicate()[0].splitlines()]
    state = registry.mend(domain)
    promotions = [event for event in state.events if event.kind == "promote"]
    assert len(told) == 16
    assert {word for outcome, word in told if outcome == "lost"} <= {"True"}
    won = sorted(int(word) for outcome, word in told if outcome == "won")
    assert won == [event.number for event in promotions]
    changes = [(event.from_version, event.to_version) for event in promotions]
    assert [before for before, _ in changes] == [None, *(after for _, after in changes[:-1])]
    assert aliases(registry, domain)["champion"] == changes[-1][1]
    assert registry.drift(domain) == []
