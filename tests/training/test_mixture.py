"""How much of each source is trained on."""

from hypothesis import given
from hypothesis import strategies as st

from tuneline.records import Message, Record
from tuneline.training.mixture import mix


def record(source: str, line: int) -> Record:
    turns = (Message("user", f"q{line}"), Message("assistant", "a"))
    return Record(turns, source=source, file="f", line=line)


def test_the_first_of_a_source_stay_in_order_and_the_others_are_whole():
    records = [record("ab"[line % 2], line) for line in range(10)]
    kept = [(r.source, r.line) for r in mix(records, {"b": 0.5})]
    assert kept == [("a", 0), ("b", 1), ("a", 2), ("b", 3), ("a", 4), ("b", 5), ("a", 6), ("a", 8)]


def test_nothing_named_is_everything():
    records = [record("a", line) for line in range(3)]
    assert mix(records, {}) == records


@given(st.lists(st.sampled_from("abc"), max_size=40), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_larger_share_keeps_what_the_smaller_kept(sources: list[str], one: float, other: float):
    records = [record(source, line) for line, source in enumerate(sources)]
    small, large = sorted((one, other))
    fewer, more = mix(records, {"a": small}), mix(records, {"a": large})
    assert {r.line for r in fewer} <= {r.line for r in more}
    assert any(r.source == "a" for r in fewer) == ("a" in sources)
