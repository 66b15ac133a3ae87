import json
from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneline.errors import ABTestError
from tuneline.release.ab.assignment import assign
from tuneline.release.ab.outcomes import (
    Outcomes,
    frame_of,
    parse_row,
    read_outcomes,
    requests_of,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
TEST = {"salt": "s", "challenger_share": 0.5, "start": START, "end": START + timedelta(days=7)}


def row(request="r1", user="u1", hours=1.0, **more):
    time = (START + timedelta(hours=hours)).isoformat()
    return {"request_id": request, "user_id": user, "time": time, **more}


def used(*rows):
    return requests_of(Outcomes(frame_of(parse_row(r) for r in rows)), **TEST)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"request_id": ""}, "request_id is ''"),
        ({"user_id": None}, "user_id is None"),
        ({"user_id": "u" * 201}, "it has 1 to 200 characters"),
        ({"user_id": "\ud800"}, "not valid Unicode"),
        ({"time": "2026-11-01T10:00:00"}, "with a zone"),
        ({"time": "yesterday"}, "time is 'yesterday'"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "out of any calendar"),
        ({"variant": "blue"}, "variant is 'blue'"),
        ({"variant": ["champion"]}, "variant is"),
        ({"latency_s": "fast"}, "latency_s is 'fast'"),
        ({"latency_s": float("nan")}, "latency_s is nan"),
        ({"latency_s": 10**400}, "a metric is a finite number"),
        ({"Latency": 1}, "metric 'Latency' has no such name"),
        ({f"m{i}": 1 for i in range(65)}, "65 metrics"),
    ],
)
def test_a_wrong_field_is_named(change, reason):
    with pytest.raises(ValueError, match=reason):
        parse_row({**row(), **change})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
keys = st.sampled_from(["request_id", "user_id", "time", "variant", "m"]) | st.text(max_size=6)


@given(json_values | st.dictionaries(keys, json_values))
def test_any_json_is_a_row_or_an_error_that_says_why(value):
    try:
        parsed = parse_row(value)
    except ValueError as error:
        assert str(error)
    else:
        assert parse_row(parsed.to_json()) == parsed


def test_true_and_false_are_1_and_0_and_null_is_absent():
    parsed = parse_row(row(thumbs_up=True, error=False, latency_s=None))
    assert parsed.metrics == {"thumbs_up": 1.0, "error": 0.0}
    east = timezone(timedelta(hours=8))
    moved = parse_row({**row(), "time": datetime(2026, 11, 1, 8, tzinfo=east)})
    assert moved.time == START


def test_bad_rows_are_counted_with_file_and_line(tmp_path):
    file = tmp_path / "outcomes.jsonl"
    lines = [json.dumps(row()), "", "{broken", json.dumps(row(latency_s="slow")), '{"request_id']
    file.write_text("\n".join(lines), encoding="utf-8")
    read = read_outcomes([file])
    assert read.rows.height == 1
    assert [(bad.place, bad.reason.split(";")[0]) for bad in read.bad] == [
        (f"{file}:3", "no JSON, or torn off"),
        (f"{file}:4", "latency_s is 'slow'"),
        (f"{file}:5", "no JSON, or torn off"),
    ]


def test_parquet_and_jsonl_give_the_same_rows(tmp_path):
    rows = [row("r1", "王小明", thumbs_up=1), row("r2", "u2", latency_s=0.5)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    table = pl.DataFrame(rows).with_columns(pl.col("time").str.to_datetime(time_zone="UTC"))
    table.write_parquet(tmp_path / "b.parquet")
    one, two = (read_outcomes([tmp_path / name]) for name in ("a.jsonl", "b.parquet"))
    assert one.rows.equals(two.rows)
    assert (one.rows["user_id"][0], one.bad, two.bad) == ("王小明", (), ())


def test_an_object_in_a_bucket_is_read_as_a_file():
    import fsspec

    with fsspec.open("memory://bucket/outcomes.jsonl", "w") as file:
        file.write(json.dumps(row()) + "\n")
    assert read_outcomes(["memory://bucket/outcomes.jsonl"]).rows.height == 1


def test_what_is_no_such_file_is_one_sentence(tmp_path):
    with pytest.raises(ABTestError, match=r"cannot read .*none\.jsonl"):
        read_outcomes([tmp_path / "none.jsonl"])
    (tmp_path / "a.parquet").write_text("no table")
    with pytest.raises(ABTestError, match="is no Parquet file"):
        read_outcomes([tmp_path / "a.parquet"])


def test_a_request_counts_once_and_a_later_row_adds_only_what_was_missing():
    requests, counts = used(
        row(latency_s=0.5), row(latency_s=9.0, thumbs_up=1), row(thumbs_up=0), row("r2")
    )
    assert requests.select("latency_s", "thumbs_up").rows() == [(0.5, 1.0), (None, None)]
    assert (counts.n_read, counts.n_duplicates, counts.n_used) == (4, 2, 2)


def test_only_requests_of_the_time_of_the_test_count_whenever_they_come_in():
    requests, counts = used(row("late", hours=2), row("before", hours=-1), row("after", hours=999))
    assert requests["request_id"].to_list() == ["late"]
    assert counts.n_outside == 2


def test_the_variant_follows_from_the_user_and_one_that_differs_is_left_out_and_counted():
    users = [f"u{i}" for i in range(20)]
    right = [row(f"a{u}", u) for u in users]
    told = [row(f"b{u}", u, variant=assign("s", 0.5, u)) for u in users]
    other = {"champion": "challenger", "challenger": "champion"}
    wrong = [row(f"c{u}", u, variant=other[assign("s", 0.5, u)]) for u in users]
    requests, counts = used(*right, *told, *wrong)
    assert (counts.n_used, counts.n_misassigned) == (40, 20)
    assert {(r["user_id"], r["variant"]) for r in requests.iter_rows(named=True)} == {
        (user, assign("s", 0.5, user)) for user in users
    }


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from("uvw"), st.integers(-30, 200),
                  st.sampled_from([None, "champion", "challenger"])),
        max_size=20,
    )
)  # fmt: skip
def test_every_row_is_counted_in_exactly_one_place(drawn):
    rows = [
        row(request, user, hours, **({"variant": variant} if variant else {}))
        for request, user, hours, variant in drawn
    ]
    _, counts = used(*rows)
    parts = (counts.n_duplicates, counts.n_outside, counts.n_misassigned, counts.n_used)
    assert counts.n_read == len(rows) == sum(parts)


def test_without_any_row_there_is_no_request():
    requests, counts = used()
    assert (requests.height, counts.n_read) == (0, 0)
