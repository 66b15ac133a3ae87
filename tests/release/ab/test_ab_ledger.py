from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneline.errors import RegistryError
from tuneline.release.event import Event, from_tags, to_tags
from tuneline.release.ledger import overtaken, replay
from tuneline.release.planning import plan_ab_end, plan_ab_start

VERDICTS = ("promote", "keep", "cannot tell")


def chain(*steps):
    """A ledger without losers: (kind, version[, verdict]), ..."""
    return replay(
        Event(kind, "lawyer", "ann", "why", f"k{n}", version, follows=n - 1, number=n,
              verdict="".join(more))
        for n, (kind, version, *more) in enumerate(steps, start=1)
    )  # fmt: skip


BEGUN = (("promote", "1"), ("register", "2"), ("ab_start", "2"))


def test_a_started_test_runs_until_its_end():
    state = chain(*BEGUN)
    assert state.running_test.name == "ab-3"
    assert (state.champion, state.challenger, state.running_test.outcome) == ("1", "2", "running")
    state = chain(*BEGUN, ("ab_end", "2", "keep"))
    assert state.running_test is None
    assert [test.outcome for test in state.tests] == ["keep"]


def test_a_won_test_moves_the_champion_in_the_event_that_ends_it():
    state = chain(*BEGUN, ("ab_end", "2", "promote"))
    assert (state.champion, state.previous, state.challenger) == ("2", ("1",), None)
    assert state.head == state.tests[0].end.number == 4


def test_a_lost_test_leaves_the_champion_and_a_test_that_cannot_tell_leaves_the_challenger_too():
    kept = chain(*BEGUN, ("ab_end", "2", "keep"))
    unsure = chain(*BEGUN, ("ab_end", "2", "cannot tell"))
    assert (kept.champion, kept.challenger) == ("1", None)
    assert (unsure.champion, unsure.challenger) == ("1", "2")


@pytest.mark.parametrize(
    "step", [("promote", "9"), ("promote", "2"), ("rollback", "0"), ("refuse", "2")]
)
def test_what_comes_from_elsewhere_ends_the_test_and_says_so(step):
    [test] = chain(("promote", "0"), *BEGUN, step).tests
    assert test.end.kind == step[0]
    assert test.outcome.startswith(f"ended from elsewhere by event 5: ann, {step[0]} of lawyer")


@pytest.mark.parametrize("step", [("register", "3"), ("refuse", "9"), ("refuse", None)])
def test_what_is_about_other_versions_leaves_the_test_running(step):
    state = chain(*BEGUN, step)
    assert state.running_test is not None
    assert state.challenger == "2"


def test_a_version_registered_during_a_test_is_the_challenger_after_it():
    state = chain(*BEGUN, ("register", "3"))
    assert (state.challenger, state.waiting) == ("2", "3")
    for verdict in VERDICTS:
        after = chain(*BEGUN, ("register", "3"), ("ab_end", "2", verdict))
        assert (after.challenger, after.waiting) == ("3", None)


def test_testing_an_older_version_makes_the_challenger_wait():
    state = chain(("promote", "1"), ("register", "2"), ("register", "3"), ("ab_start", "2"))
    assert (state.challenger, state.waiting) == ("2", "3")


def test_an_end_without_its_test_moves_nothing():
    assert chain(("promote", "1"), ("ab_end", "2", "promote")).champion == "1"
    state = chain(*BEGUN, ("ab_end", "7", "promote"))
    assert (state.champion, state.running_test.name) == ("1", "ab-3")


def test_several_tests_run_one_after_the_other():
    over = (*BEGUN, ("ab_end", "2", "cannot tell"))
    assert [t.name for t in chain(*over, ("ab_start", "2")).tests] == ["ab-3", "ab-5"]
    start = Event("ab_start", "lawyer", "ann", "", "k", "2")
    assert plan_ab_start(chain(*over), start) == start
    with pytest.raises(RegistryError, match="ab-3 is running"):
        plan_ab_start(chain(*BEGUN), start)


def test_a_test_needs_a_champion_and_another_version():
    start = Event("ab_start", "lawyer", "ann", "", "k", "1")
    with pytest.raises(RegistryError, match="has no champion to test against"):
        plan_ab_start(chain(("register", "1")), start)
    with pytest.raises(RegistryError, match="version 1 of lawyer is champion"):
        plan_ab_start(chain(("promote", "1")), start)


def test_only_the_running_test_can_be_ended():
    end = Event("ab_end", "lawyer", "ann", "", "k", verdict="keep")
    assert plan_ab_end("ab-3")(chain(*BEGUN), end).to_version == "2"
    with pytest.raises(RegistryError, match="has no A/B test 'ab-9'"):
        plan_ab_end("ab-9")(chain(*BEGUN), end)
    with pytest.raises(RegistryError, match="ab-3 is over: ended from elsewhere by event 4"):
        plan_ab_end("ab-3")(chain(*BEGUN, ("promote", "5")), end)


def test_a_writer_that_a_won_test_overtook_is_told_so():
    state = chain(*BEGUN, ("ab_end", "2", "promote"))
    late = Event("promote", "lawyer", "bob", "", "k", "3", follows=3)
    assert "ann was first with ab_end of lawyer, none -> 2" in str(overtaken(state, late))


def test_the_events_of_a_test_read_from_their_tags_as_they_were():
    start = Event("ab_start", "lawyer", "ann", "", "k1", "2", plan='{"metric": "赞"}', number=3)
    end = Event("ab_end", "lawyer", "ann", "won", "k2", "2", verdict="promote", number=4)
    for event in (start, end):
        assert from_tags("lawyer", event.number, to_tags(event)) == event


class Reference:
    """Champion and tests told by hand, one event at a time."""

    def __init__(self):
        self.champion, self.running, self.outcomes = None, None, []

    def see(self, event):
        if event.kind == "ab_end":
            if self.running != event.to_version:
                return
            self.end(event.verdict)
            if event.verdict == "promote":
                self.champion = event.to_version
        elif event.kind in ("promote", "rollback"):
            self.champion = event.to_version
            self.end("elsewhere")
        elif event.kind == "ab_start":
            self.end("elsewhere")
            self.running = event.to_version
        elif event.kind == "refuse" and self.running == event.to_version:
            self.end("elsewhere")

    def end(self, outcome):
        if self.running is not None:
            self.outcomes.append(outcome)
            self.running = None


@given(st.data())
def test_interleaved_writers_of_tests_make_one_chain_that_every_reader_tells_alike(data):
    """Writers read the head at any time and write later, so what they follow is often stale."""
    seen, ledger = dict.fromkeys("abc", 0), []
    for number in range(1, data.draw(st.integers(1, 20)) + 1):
        for reader in data.draw(st.sets(st.sampled_from("abc"))):
            seen[reader] = replay(ledger).head
        writer = data.draw(st.sampled_from("abc"))
        kind = data.draw(
            st.sampled_from(
                ["register", "promote", "refuse", "rollback", "ab_start", "ab_start", "ab_end"]
            )
        )
        verdict = data.draw(st.sampled_from(VERDICTS)) if kind == "ab_end" else ""
        version = str(data.draw(st.integers(1, 3)))
        event = Event(kind, "lawyer", writer, "", f"k{number}", version)
        event = replace(event, follows=seen[writer], number=number, verdict=verdict)
        ledger.append(event)
    state, reference = replay(data.draw(st.permutations(ledger))), Reference()
    for event in state.events:
        reference.see(event)
    assert state.champion == reference.champion
    assert [t.outcome.partition(" from")[0] for t in state.tests if t.end] == [
        "ended" if outcome == "elsewhere" else outcome for outcome in reference.outcomes
    ]
    running = [test for test in state.tests if test.end is None]
    assert [test.start.to_version for test in running] == (
        [reference.running] if reference.running else []
    )
    assert running == ([state.running_test] if running else [])
    if running:
        assert state.challenger == reference.running
