from datetime import UTC, datetime, timedelta, timezone

import pytest

from tuneline.errors import RegistryError
from tuneline.release.event import Event
from tuneline.release.ledger import replay
from tuneline.release.past import events_about, parse_moment, state_at, times
from tuneline.release.timeline import Span, champion_spans, draw_timeline, spans_under_test

CANDIDATE = "0123456789abcdef"


def event(number, kind, version, at, key=None, **more):
    key = key or f"k{number}"
    at = f"2026-11-{at}+00:00"
    return Event(
        kind, "lawyer", "ann", "", key, version, follows=number - 1, number=number, at=at, **more
    )


STATE = replay(
    [
        event(1, "register", "1", "01T10:00:00", release="v1.0-lawyer-20261101"),
        event(2, "promote", "1", "01T11:00:00"),
        event(3, "register", "2", "02T10:00:00", release="v1.1-lawyer-20261102"),
        event(4, "ab_start", "2", "02T11:00:00"),
        event(5, "ab_end", "2", "04T11:00:00", verdict="promote"),
        event(6, "refuse", None, "05T10:00:00", f"refuse:{CANDIDATE}"),
        event(7, "rollback", "1", "06T10:00:00"),
    ]
)


def day(text):
    return datetime.fromisoformat(f"2026-11-{text}+00:00")


@pytest.mark.parametrize(
    ("at", "champion"),
    [
        ("01T10:59:59", None),
        ("01T11:00:00", "1"),
        ("04T10:59:59", "1"),
        ("04T11:00:00", "2"),
        ("06T10:00:00", "1"),
    ],
)
def test_the_champion_of_a_moment_is_that_of_the_last_event_until_then(at, champion):
    assert state_at(STATE, day(at)).champion == champion


def test_a_moment_in_another_time_zone_is_the_same_moment():
    beijing = timezone(timedelta(hours=8))
    assert state_at(STATE, datetime(2026, 11, 1, 19, tzinfo=beijing)).champion == "1"
    assert state_at(STATE, datetime(2026, 11, 1, 18, 59, tzinfo=beijing)).champion is None


def test_the_chain_orders_events_where_a_clock_is_slow():
    late = event(2, "promote", "1", "01T10:00:00")
    slow = event(3, "promote", "2", "01T09:00:00")
    state = replay([event(1, "register", "1", "01T08:00:00"), late, slow])
    assert times(state.events)[2] == day("01T10:00:00")
    assert state_at(state, day("01T09:30:00")).champion is None
    assert state_at(state, day("01T10:00:00")).champion == "2"


@pytest.mark.parametrize("text", ["2026-11-02T10:00Z", "2026-11-02T18:00+08:00"])
def test_a_moment_may_carry_its_offset(text):
    assert parse_moment(text) == day("02T10:00:00")


def test_a_moment_without_offset_is_local():
    local = parse_moment("2026-11-02T10:00")
    assert local.utcoffset() is not None
    assert local.replace(tzinfo=None) == datetime(2026, 11, 2, 10)
    with pytest.raises(RegistryError, match="is no time; write 2026-11-02T10:00"):
        parse_moment("yesterday")


def test_what_is_known_of_a_refused_candidate_is_found_by_its_first_digits():
    assert [e.number for e in events_about(STATE, CANDIDATE[:8])] == [6]
    assert [e.number for e in events_about(STATE, "v1.1-lawyer-20261102")] == [3, 4, 5]
    with pytest.raises(RegistryError, match="no version 'abcdef'"):
        events_about(STATE, "abcdef")


def test_champions_and_tests_have_a_beginning_and_an_end():
    now = day("07T10:00:00")
    assert champion_spans(STATE, now) == [
        Span("1", day("01T11:00:00"), day("04T11:00:00")),
        Span("2", day("04T11:00:00"), day("06T10:00:00")),
        Span("1", day("06T10:00:00"), now),
    ]
    assert spans_under_test(STATE, now) == [Span("2", day("02T11:00:00"), day("04T11:00:00"))]


def test_the_timeline_is_drawn_as_its_ending_says(tmp_path):
    draw_timeline("lawyer", STATE, tmp_path / "a.svg", datetime.now(UTC))
    assert "v1.1-lawyer-20261102" in (tmp_path / "a.svg").read_text()
    with pytest.raises(RegistryError, match=r"use \.png or \.svg"):
        draw_timeline("lawyer", STATE, tmp_path / "a.docx", datetime.now(UTC))
    with pytest.raises(RegistryError, match="no history to draw"):
        draw_timeline("lawyer", replay([]), tmp_path / "b.svg", datetime.now(UTC))
