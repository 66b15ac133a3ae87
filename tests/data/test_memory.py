"""What a domain remembers of earlier runs, and fresh holdouts, which need it."""

import pyarrow.parquet as pq
import pytest

from tests.data.rows import digests, good_rows, odd_rows, phones
from tuneline.data.prepare import load_splits, prepare, report_of
from tuneline.errors import DataError


def raw_lines(output):
    splits = load_splits(output)
    return {name: {r.line for r in side} for name, side in splits._asdict().items()}


def test_a_changed_cleaning_rule_moves_no_record(store, config_of):
    before = raw_lines(prepare("civil", config_of(phones(200)), store))
    redact = {"rules": {"phone": "redact"}}
    output = prepare("civil", config_of(phones(200), cleaning=redact), store)
    after = raw_lines(output)
    assert "138" not in load_splits(output).train[0].prompt_text
    assert not before["holdout"] & (after["train"] | after["validation"])
    assert not after["holdout"] & (before["train"] | before["validation"])
    assert len(after["holdout"]) >= 20


def test_memory_keeps_no_text(store, config_of):
    prepare("civil", config_of(phones(60)), store)
    (file,) = (store.root / "memory" / "civil").glob("*.parquet")
    assert pq.read_table(file).num_rows >= 55
    assert b"138000" not in file.read_bytes()
    assert "拨打".encode() not in file.read_bytes()


def test_memory_of_other_shingles_is_refused_and_not_compared(store, config_of):
    prepare("civil", config_of(good_rows()), store)
    (file,) = (store.root / "memory" / "civil").glob("*.parquet")
    pq.write_table(pq.read_table(file).replace_schema_metadata({"shingles": "words-5"}), file)
    with pytest.raises(DataError, match=r"written with shingles words-5.*move .* away"):
        prepare("civil", config_of([*good_rows(), *odd_rows()]), store)


def fresh_rows(n=40):
    return [
        {"instruction": f"Which law rules case {i * 71}?", "output": f"Law {i}"} for i in range(n)
    ]


def test_a_fresh_holdout_holds_new_records_and_what_was_held_out_is_never_trained_on(
    store, config_of
):
    worn = load_splits(prepare("civil", config_of(good_rows()), store))
    rows = [*good_rows(), *fresh_rows()]
    output = prepare("civil", config_of(rows, split={"holdout_generation": 1}), store)
    fresh = load_splits(output)
    used = digests([*worn.train, *worn.validation, *worn.holdout])
    assert fresh.holdout
    assert not digests(fresh.holdout) & used
    assert not digests([*fresh.train, *fresh.validation]) & digests(worn.holdout)
    reasons = report_of(output).dropped["leakage"]
    assert reasons["held_out_by_another_generation"] == len(worn.holdout)
    assert report_of(output).n_read == report_of(output).n_kept + sum(reasons.values())


def test_an_earlier_generation_comes_back_as_it_was(store, config_of):
    prepare("civil", config_of(good_rows()), store)
    rows = [*good_rows(), *fresh_rows()]
    fresh = load_splits(prepare("civil", config_of(rows, split={"holdout_generation": 1}), store))
    again = load_splits(prepare("civil", config_of(rows), store))
    worn = load_splits(prepare("civil", config_of(good_rows()), store))
    assert digests(worn.holdout) <= digests(again.holdout)
    assert not digests([*again.train, *again.holdout]) & digests(fresh.holdout)


def test_a_fresh_holdout_without_new_records_is_an_error_with_the_way_out(store, config_of):
    prepare("civil", config_of(good_rows()), store)
    with pytest.raises(DataError, match=r"holdout would be empty.*that no run used before"):
        prepare("civil", config_of(good_rows(), split={"holdout_generation": 1}), store)


def test_memory_that_names_no_generation_is_that_of_the_first(store, config_of):
    worn = load_splits(prepare("civil", config_of(good_rows()), store))
    (file,) = (store.root / "memory" / "civil").glob("*.parquet")
    table = pq.read_table(file)
    metadata = {k: v for k, v in table.schema.metadata.items() if k != b"generation"}
    assert len(metadata) < len(table.schema.metadata)
    pq.write_table(table.replace_schema_metadata(metadata), file)
    rows = [*good_rows(), *fresh_rows()]
    fresh = load_splits(prepare("civil", config_of(rows, split={"holdout_generation": 1}), store))
    assert not digests(fresh.holdout) & digests(worn.holdout)
    grown = load_splits(prepare("civil", config_of(rows), store))
    assert digests(worn.holdout) <= digests(grown.holdout)
