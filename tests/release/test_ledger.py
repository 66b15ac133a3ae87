from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneline.errors import RegistryError
from tuneline.release.event import Event, from_tags, to_tags
from tuneline.release.ledger import LedgerState, overtaken, replay
from tuneline.release.mirror import Mirror, WrongAlias, differences
from tuneline.release.planning import plan_promotion, plan_rollback
from tuneline.release.rollback import rollback_target


def event(kind, to_version, number, follows, *, actor="ann", **more):
    return Event(
        kind,
        "lawyer",
        actor,
        "a reason",
        f"key-{number}",
        to_version,
        follows=follows,
        number=number,
        **more,
    )


def chain(*steps):
    """A ledger without losers: (kind, version), ..."""
    return replay(event(k, v, n, n - 1) for n, (k, v) in enumerate(steps, start=1))


def test_an_empty_ledger_has_no_champion():
    assert replay([]) == LedgerState()


def test_a_registered_version_is_the_challenger_until_it_is_judged():
    assert chain(("register", "1")).challenger == "1"
    assert chain(("register", "1"), ("promote", "1")).challenger is None
    assert chain(("register", "1"), ("refuse", "1")).challenger is None
    assert chain(("register", "1"), ("register", "2"), ("refuse", "1")).challenger == "2"


def test_rolling_back_twice_walks_back_two_champions():
    steps = [("promote", "1"), ("promote", "2"), ("promote", "3")]
    once = chain(*steps, ("rollback", "2"))
    twice = chain(*steps, ("rollback", "2"), ("rollback", "1"))
    assert (once.champion, once.previous) == ("2", ("1",))
    assert (twice.champion, twice.previous) == ("1", ())


def test_rolling_back_to_an_earlier_champion_forgets_those_between():
    state = chain(("promote", "1"), ("promote", "2"), ("promote", "3"), ("rollback", "1"))
    assert (state.champion, state.previous) == ("1", ())


def test_a_version_that_was_champion_twice_is_left_at_its_latest_turn():
    steps = [("promote", "1"), ("promote", "2"), ("promote", "1"), ("promote", "3")]
    state = chain(*steps, ("rollback", "1"))
    assert (state.champion, state.previous) == ("1", ("1", "2"))


def test_the_first_of_two_writers_wins_and_the_other_is_told_who():
    won, lost = event("promote", "2", 1, 0, actor="ann"), event("promote", "3", 2, 0, actor="bob")
    state = replay([lost, won])
    assert (state.champion, state.events, state.void) == ("2", (won,), (lost,))
    assert "ann was first with promote of lawyer, none -> 2" in str(overtaken(state, lost))


def test_a_deleted_event_is_an_error():
    with pytest.raises(RegistryError, match="event 2 is missing"):
        replay([event("promote", "1", 1, 0), event("promote", "2", 3, 1)])


@given(st.data())
def test_interleaved_writers_make_exactly_one_chain_and_lose_nothing(data):
    """Writers read the head at any time and write later, so what they follow is often stale."""
    seen = dict.fromkeys("abc", 0)
    ledger = []
    for number in range(1, data.draw(st.integers(1, 12)) + 1):
        for reader in data.draw(st.sets(st.sampled_from("abc"))):
            seen[reader] = replay(ledger).head
        writer = data.draw(st.sampled_from("abc"))
        kind = data.draw(st.sampled_from(["register", "promote", "refuse"]))
        ledger.append(event(kind, str(number), number, seen[writer], actor=writer))
    state = replay(data.draw(st.permutations(ledger)))
    assert sorted([*state.events, *state.void], key=lambda e: e.number) == ledger
    heads = [0, *(e.number for e in state.events)]
    assert [e.follows for e in state.events] == heads[:-1]
    assert len({e.follows for e in state.events}) == len(state.events)
    champions = [e.to_version for e in state.events if e.kind == "promote"]
    assert ([*state.previous, state.champion] if champions else []) == champions


@given(st.integers(1, 9))
def test_a_longer_ledger_never_changes_what_a_shorter_one_said(cut):
    steps = [("register", "1"), ("promote", "1"), ("register", "2"), ("promote", "2")]
    steps += [("rollback", "1"), ("promote", "3"), ("refuse", "4"), ("promote", "2")]
    assert chain(*steps).champion_at(cut) == chain(*steps[:cut]).champion


def test_an_event_reads_from_its_tags_as_it_was():
    full = event("promote", "2", 7, 3, from_version="1", evidence="abc", at="2026-01-01T00:00:00")
    bare = Event("rollback", "lawyer", "ann", "", "key", number=7)
    assert from_tags("lawyer", 7, to_tags(full)) == full
    assert from_tags("lawyer", 7, {**to_tags(bare), "colour": "blue"}) == bare


@pytest.mark.parametrize("tag", ["kind", "follows", "actor", "key"])
def test_an_event_without_a_tag_it_needs_is_an_error_that_names_the_event(tag):
    tags = to_tags(event("promote", "2", 7, 3))
    del tags[tag]
    with pytest.raises(RegistryError, match="event"):
        from_tags("lawyer", 7, tags)


def test_an_event_of_a_newer_tuneline_is_not_guessed_at():
    tags = to_tags(event("promote", "2", 7, 3)) | {"kind": "canary"}
    with pytest.raises(RegistryError, match="only a newer Tuneline knows 'canary'"):
        from_tags("lawyer", 7, tags)


def test_nothing_is_written_without_actor():
    with pytest.raises(RegistryError, match="needs an actor"):
        Event("rollback", "lawyer", "", "a reason", "key")


def test_rollback_needs_an_earlier_champion():
    with pytest.raises(RegistryError, match="no version was promoted yet"):
        rollback_target(LedgerState())
    with pytest.raises(RegistryError, match="version 1 has no earlier champion"):
        rollback_target(chain(("promote", "1")))


def test_rollback_goes_to_the_previous_champion_or_to_the_one_asked_for():
    state = chain(("promote", "1"), ("promote", "2"), ("promote", "3"))
    assert rollback_target(state) == "2"
    assert rollback_target(state, "1") == "1"
    with pytest.raises(RegistryError, match=r"none of the earlier champions \(2, 1\)"):
        rollback_target(state, "7")
    assert plan_rollback(state, event("rollback", None, 4, 3)).to_version == "2"


def test_the_champion_is_not_promoted_again():
    with pytest.raises(RegistryError, match="champion already"):
        plan_promotion(chain(("promote", "1")), event("promote", "1", 2, 1))


def test_names_resolve_to_versions():
    registered = replace(event("register", "4", 1, 0), release="v1.0-lawyer-20250401")
    state = replay([registered, event("promote", "4", 2, 1)])
    assert {state.resolve(n) for n in ("4", "champion", "v1.0-lawyer-20250401")} == {"4"}
    for name in ("challenger", "5", "v1.1-lawyer-20250401"):
        with pytest.raises(RegistryError, match=r"there are: v1\.0-lawyer-20250401"):
            state.resolve(name)


def test_an_alias_leaves_the_challenger_before_it_names_the_champion():
    registered = [event("register", v, int(v), int(v) - 1, release=f"r{v}") for v in "12"]
    state = replay([*registered, event("promote", "1", 3, 2), event("promote", "2", 4, 3)])
    mirror = differences(
        state, Mirror({"1": "r1", "2": None}, {"champion": "1", "challenger": "2"})
    )
    assert [str(wrong) for wrong in mirror] == [
        "tag release of version 2 is None, not r2",
        "alias challenger is on version 2, not on None",
        "alias champion is on version 1, not on 2",
    ]


def two_champions():
    """1 was champion, 2 is, 3 is challenger."""
    registered = [event("register", v, int(v), int(v) - 1, release=f"r{v}") for v in "123"]
    return replay([*registered, event("promote", "1", 4, 3), event("promote", "2", 5, 4)])


@pytest.mark.parametrize(
    ("on", "seen_right", "is_by_hand"),
    [
        ("1", 4, False),  # killed after the promotion of 2
        ("1", 0, False),
        (None, 0, False),  # killed after every event
        (None, 3, False),
        ("1", 5, True),  # back to the former champion, without the ledger
        (None, 5, True),
        ("3", 0, True),  # never champion
    ],
)
def test_an_alias_is_late_where_the_ledger_wanted_it_since_it_was_last_right(
    on, seen_right, is_by_hand
):
    aliases = {"challenger": "3"} | ({"champion": on} if on else {})
    mirror = Mirror({v: f"r{v}" for v in "123"}, aliases, seen_right)
    [found] = differences(two_champions(), mirror)
    assert found == WrongAlias("champion", on, "2", is_by_hand)


def test_a_missing_release_name_is_late_and_another_one_was_given_by_hand():
    aliases = {"champion": "2", "challenger": "3"}
    mirror = Mirror({"1": "v9.9", "2": "r2", "3": None}, aliases, 5)
    assert [found.is_by_hand for found in differences(two_champions(), mirror)] == [True, False]
