import json

import msgspec
import pytest

from tuneline.data.config import DataConfig
from tuneline.data.prepare import load_splits, prepare
from tuneline.errors import DataError
from tuneline.reports import DataReport, load_report
from tuneline.store import Store

N_GOOD = 60


def good_rows():
    topics = ["租赁", "买卖", "借款", "承揽", "运输", "保管"]
    return [
        {
            "instruction": f"{topics[n % 6]}合同第 {n} 条是什么？ {n * n}",
            "output": f"第 {n} 条 {n * 37}",
        }
        for n in range(N_GOOD)
    ]


def odd_rows():
    """An exact copy, a conflict of two answers, a placeholder: none of them is a bad row."""
    return [
        good_rows()[0],
        {"instruction": "Who pays the rent?", "output": "The tenant."},
        {"instruction": "Who pays the rent?", "output": "Nobody knows that."},
        {"instruction": "Who are you?", "output": "I am {{name}}."},
    ]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "workspace")


@pytest.fixture
def config_of(tmp_path):
    def make(rows, **settings):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        source = {"name": "civil-code", "path": path, "license": "MIT"}
        return DataConfig.model_validate({"sources": [source], **settings})

    return make


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_funnel_adds_up_and_every_drop_is_written_down(store, config_of):
    config = config_of([*good_rows(), *odd_rows(), {"instruction": "no answer"}])
    output = prepare(config, store)
    report = load_report(output.path / "report.json", DataReport)
    drops = lines(output.path / "dropped.jsonl")
    assert report.n_read == N_GOOD + 5 == report.n_kept + len(drops)
    assert report.dropped["formats"] == {"missing_answer": 1}
    assert report.dropped["cleaning"] == {"unfilled_placeholder": 1}
    assert report.dropped["exact_dedup"] == {"same_text": 1}
    assert sum(n for reasons in report.dropped.values() for n in reasons.values()) == len(drops)
    assert report.sources == {"civil-code": {"read": N_GOOD + 5, "kept": report.n_kept}}
    assert sum(counts["civil-code"] for counts in report.splits.values()) == report.n_kept
    assert list(report.encodings.values()) == ["utf-8"]


def test_conflicts_are_counted_and_kept(store, config_of):
    output = prepare(config_of([*good_rows(), *odd_rows()]), store)
    answers = [
        record.reference
        for records in load_splits(output)
        for record in records
        if record.prompt_text == "Who pays the rent?"
    ]
    assert sorted(answers) == ["Nobody knows that.", "The tenant."]
    assert load_report(output.path / "report.json", DataReport).n_conflicts == 1


def test_split_files_hold_records_in_an_order_that_rows_do_not_decide(store, config_of):
    first = load_splits(prepare(config_of(good_rows()), store))
    second = load_splits(prepare(config_of(good_rows()[::-1]), store))
    for some, others in zip(first, second, strict=True):
        assert [r.messages for r in some] == [r.messages for r in others]
    assert len(first.train) > len(first.holdout) > 0


def test_the_same_input_is_not_prepared_twice_and_a_new_row_is(store, config_of):
    first = prepare(config_of(good_rows()), store)
    assert prepare(config_of(good_rows()), store).is_reused
    assert not first.is_reused
    assert not prepare(config_of([*good_rows(), *odd_rows()]), store).is_reused


def test_too_many_bad_rows_stop_the_run_and_lie_in_quarantine(store, config_of):
    bad = [{"instruction": f"Q{n}", "output": ""} for n in range(5)]
    config = config_of([*good_rows(), *bad])
    with pytest.raises(DataError) as caught:
        prepare(config, store)
    place, quarantine = config.sources[0].path, store.root / "quarantine" / "civil-code.jsonl"
    message = str(caught.value)
    assert (
        "source 'civil-code': 5 of 65 rows are unusable, more than max_bad_fraction=0.05" in message
    )
    assert all(f"{place}:{line}: 'output' is empty" in message for line in (61, 62, 63))
    assert f"{place}:64" not in message
    assert f"{quarantine}; mend them in {place}" in message
    assert [drop["row"] for drop in lines(quarantine)] == bad
    assert not (store.root / "store").exists()


def test_quarantine_names_what_is_bad_now(store, config_of):
    bad, quarantine = {"instruction": "no answer"}, store.root / "quarantine" / "civil-code.jsonl"
    prepare(config_of([*good_rows(), bad]), store)
    assert [drop["reason"] for drop in lines(quarantine)] == ["missing_answer"]
    prepare(config_of(good_rows()), store)
    assert not quarantine.exists()


def test_a_lone_surrogate_in_a_dropped_row_is_kept_as_an_escape(store, tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([*good_rows(), {"instruction": "bad \ud800", "output": ""}]))
    source = {"name": "s", "path": path, "license": "MIT"}
    output = prepare(DataConfig.model_validate({"sources": [source]}), store)
    (line,) = (output.path / "dropped.jsonl").read_text().splitlines()
    assert json.loads(line)["row"]["instruction"] == "bad \ud800"


def test_an_empty_side_is_an_error_with_counts_and_a_way_out(store, config_of):
    with pytest.raises(DataError, match=r"holdout would be empty: 2 records were read, 2 are left"):
        prepare(config_of(good_rows()[:2], split={"holdout_fraction": 1e-9}), store)
    with pytest.raises(DataError, match=r"train would be empty: 2 records.*add data, or lower hol"):
        prepare(config_of(good_rows()[:2], split={"holdout_fraction": 0.89}), store)


def test_validation_may_be_empty(store, config_of):
    config = config_of(good_rows(), split={"validation_fraction": 0})
    assert load_splits(prepare(config, store)).validation == []


def test_a_missing_file_is_named_before_any_work(store):
    config = {"sources": [{"name": "s", "path": "nowhere.jsonl", "license": "MIT"}]}
    with pytest.raises(DataError, match=r"nowhere\.jsonl: no such file"):
        prepare(DataConfig.model_validate(config), store)
    assert not store.root.exists()


def test_near_dedup_can_be_turned_off_and_leaks_are_still_dropped(store, config_of):
    long = "出租人应当按照约定将租赁物交付承租人并在租赁期限内保持租赁物符合约定的用途"
    copies = [
        {"instruction": f"{long}{'甲乙丙丁戊己庚辛壬癸'[n]}", "output": long} for n in range(10)
    ]
    settings = {"near_dedup": {"enabled": False}, "split": {"holdout_fraction": 0.5}}
    output = prepare(config_of([*good_rows(), *copies], **settings), store)
    report = msgspec.json.decode((output.path / "report.json").read_bytes())
    assert "near_dedup" not in report["dropped"]
    assert report["dropped"]["leakage"]["near_duplicate_in_holdout"] >= 1
