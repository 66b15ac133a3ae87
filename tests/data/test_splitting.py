import hashlib

import numpy as np
import polars as pl
import pytest

from tuneline.data.config import SplitConfig
from tuneline.data.splitting import (
    HELD_OUT,
    HOLDOUT,
    RETIRED,
    SIDES,
    TRAIN,
    TRAINED_ON,
    VALIDATION,
    assign_sides,
    position,
    top_up,
)
from tuneline.records import Message, Record

NO_MEMORY = pl.DataFrame(
    schema=dict.fromkeys(("raw_digest", "digest", "group_digest", "used"), pl.String)
)


def record(prompt, answer="Yes", group=None):
    return Record((Message("user", prompt), Message("assistant", answer)), "s", "f", 1, group)


def keys(n, source="s", label="Yes", start=0):
    names = [f"group {i}" for i in range(start, start + n)]
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in names]
    return pl.DataFrame(
        {
            "raw_digest": [f"raw record of {name}" for name in names],
            "digest": [f"record of {name}" for name in names],
            "group_digest": digests,
            "position": [position(digest) for digest in digests],
            "source": [source] * n,
            "label": [label] * n,
        }
    )


def memory(rows, used):
    return rows.select("raw_digest", "digest", "group_digest", used=pl.lit(used))


def held(rows, sides):
    return set(rows.filter(sides["side"] == HOLDOUT)["digest"])


def test_position_is_the_salted_digest_of_the_group_and_nothing_else():
    one, other = record("Q", "A", group="g"), record("Q2", "A2", group="g")
    assert one.group_digest == other.group_digest
    digest = hashlib.sha256(f"tuneline-split-v1:{one.group_digest}".encode()).hexdigest()
    assert position(one.group_digest) == pytest.approx(int(digest, 16) / 2**256)


def test_known_positions_never_change():
    # Written down on 2026-11-24: a change here moves every holdout there is.
    at = position(record("Q").group_digest)
    assert at == pytest.approx(0.3036364008327841, abs=1e-15)


def test_answers_to_one_prompt_lie_on_one_side():
    assert record("Q", "A").group_digest == record("Q", "B").group_digest


def test_shares_are_about_those_asked_for():
    sides = assign_sides(keys(5000), NO_MEMORY, SplitConfig())
    n = dict(sides.group_by("side").len().iter_rows())
    # Three standard deviations of a binomial with p = 0.1 and n = 5000 are 64.
    assert abs(n[HOLDOUT] - 500) < 64
    assert abs(n[VALIDATION] - 500) < 64
    assert n[TRAIN] == 5000 - n[HOLDOUT] - n[VALIDATION]


def topped_up(rows, known=NO_MEMORY, kept=None, **settings):
    config = SplitConfig(**settings)
    sides = assign_sides(rows, known, config)
    kept = np.ones(len(rows), dtype=bool) if kept is None else kept
    side, rank = (sides[name].to_numpy().astype(np.int8) for name in ("side", "rank"))
    groups = rows["group_digest"].rank("dense").cast(pl.Int32).to_numpy() - 1
    return pl.DataFrame({"side": top_up(groups, rows, side, rank, kept, config)})


def test_the_next_positions_fill_up_a_holdout_that_is_too_small():
    rows = keys(20).with_columns(position=pl.int_range(20) / 20 + 0.5)  # none is below 0.1
    assert held(rows, topped_up(rows)) == set(rows["digest"][:2])
    kept = np.arange(20) >= 5  # dedup dropped the first ones
    assert held(rows, topped_up(rows, kept=kept)) == set(rows["digest"][5:7])


def test_records_that_an_earlier_run_trained_on_never_fill_up_the_holdout():
    rows = keys(20).with_columns(position=pl.int_range(20) / 20 + 0.5)
    known = memory(rows[:19], TRAINED_ON)
    assert held(rows, topped_up(rows, known)) == set(rows["digest"][19:])


@pytest.mark.parametrize("n", [7, 100, 1234])
def test_the_holdout_has_at_least_its_share(n):
    rows = keys(n)
    assert len(held(rows, topped_up(rows))) >= 0.1 * n


def test_each_stratum_reaches_the_share():
    rows = pl.concat([keys(300), keys(40, "t", "Yes", 300), keys(40, "t", "No", 400)])
    sides = topped_up(rows, stratify="label")
    counts = rows.with_columns(sides["side"]).group_by("source", "label")
    shares = counts.agg((pl.col("side") == HOLDOUT).mean())["side"].to_list()
    assert len(shares) == 3
    assert min(shares) >= 0.1


def test_a_larger_holdout_contains_the_smaller_one():
    rows = keys(200)
    small = assign_sides(rows, NO_MEMORY, SplitConfig(holdout_fraction=0.1))
    large = assign_sides(rows, NO_MEMORY, SplitConfig(holdout_fraction=0.2))
    assert held(rows, small) < held(rows, large)


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5])
def test_what_was_held_out_or_trained_on_stays_so_at_any_share(fraction):
    rows = keys(200)
    before = assign_sides(rows, NO_MEMORY, SplitConfig(holdout_fraction=0.2))
    was_held = rows["digest"].is_in(list(held(rows, before)))
    known = pl.concat(
        [memory(rows.filter(was_held), HELD_OUT), memory(rows.filter(~was_held), TRAINED_ON)]
    )
    after = assign_sides(rows, known, SplitConfig(holdout_fraction=fraction))
    assert held(rows, after) == held(rows, before)
    assert set(after["rank"]) == {0, 1}


def test_new_records_of_a_group_that_is_held_out_are_held_out():
    known = memory(keys(200), HELD_OUT)
    rows = keys(200).with_columns(
        **{name: pl.format("new {}", name) for name in ("raw_digest", "digest")}
    )
    assert held(rows, assign_sides(rows, known, SplitConfig())) == set(rows["digest"])


def test_a_record_that_was_trained_on_in_a_group_now_held_out_was_not_held_itself():
    rows = keys(2).with_columns(group_digest=pl.lit("g"), position=pl.lit(0.5))
    known = pl.concat([memory(rows[:1], HELD_OUT), memory(rows[1:], TRAINED_ON)])
    sides = assign_sides(rows, known, SplitConfig())
    assert sides["side"].to_list() == [HOLDOUT, HOLDOUT]
    assert sides["was_held"].to_list() == [True, False]
    assert sides["rank"].to_list() == [0, 2]


def test_sides_are_named_in_the_order_in_which_they_win():
    assert SIDES == ("holdout", "validation", "train")


@pytest.mark.parametrize("changed", ["raw_digest", "digest"])
def test_a_record_is_known_by_its_text_before_cleaning_and_after(changed):
    rows = keys(200)
    known = memory(rows, HELD_OUT)
    rows = rows.with_columns(
        **{name: pl.format("new {}", name) for name in (changed, "group_digest")}
    )
    assert assign_sides(rows, known, SplitConfig())["was_held"].all()


def test_what_another_generation_held_out_is_retired_with_its_whole_group():
    rows = pl.concat(
        [keys(3), keys(3).with_columns(raw_digest=pl.lit("new"), digest=pl.lit("new"))]
    )
    rows = rows.with_columns(position=pl.lit(0.05))
    sides = assign_sides(rows, memory(rows[:1], RETIRED), SplitConfig())
    assert sides["is_retired"].to_list() == [True, False, False, True, False, False]
    assert not sides["was_held"].any()


def test_a_fresh_holdout_is_made_of_records_that_no_run_used():
    rows = keys(400)
    known = pl.concat([memory(rows[:100], RETIRED), memory(rows[100:300], TRAINED_ON)])
    retired = np.arange(400) < 100
    sides = topped_up(rows, known, kept=~retired, holdout_generation=1)
    fresh = held(rows[100:], sides[100:])
    assert fresh <= set(rows["digest"][300:])
    assert len(fresh) >= 0.1 * 300


def test_held_out_by_this_generation_counts_more_than_by_another():
    known = pl.concat([memory(keys(1), RETIRED), memory(keys(1), HELD_OUT)])
    sides = assign_sides(keys(1), known, SplitConfig())
    assert sides.row(0, named=True) == {
        "side": HOLDOUT, "rank": 0, "was_held": True, "is_retired": False,
    }  # fmt: skip


def test_the_order_of_rows_does_not_decide_in_which_stratum_a_group_is():
    rows = keys(300).with_columns(
        group_digest=pl.format("g{}", pl.int_range(300) // 3),
        label=pl.when(pl.int_range(300) % 2 == 0).then(pl.lit("Yes")).otherwise(pl.lit("No")),
    )
    rows = rows.with_columns(position=pl.col("group_digest").map_elements(position, pl.Float64))
    forward = held(rows, topped_up(rows, stratify="label", holdout_fraction=0.3))
    backward = rows.reverse()
    assert forward == held(backward, topped_up(backward, stratify="label", holdout_fraction=0.3))


def test_no_records_have_no_sides():
    assert topped_up(keys(1)[:0]).is_empty()
