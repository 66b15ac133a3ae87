"""Every row is kept or dropped with a reason; bad rows stop a run and lie in quarantine."""

import json

import msgspec
import pytest

from tests.data.rows import N_GOOD, good_rows, lines, odd_rows, phones, source_of
from tuneline.data.config import DataConfig
from tuneline.data.prepare import load_splits, prepare, report_of
from tuneline.errors import DataError
from tuneline.reports import DataReport, load_report


@pytest.fixture
def quarantine(store):
    """Where the bad rows of the source lie."""
    return store.root / "quarantine" / "civil" / "civil-code.jsonl"


def test_the_funnel_adds_up_and_every_drop_is_written_down(store, config_of):
    config = config_of([*good_rows(), *odd_rows(), {"instruction": "no answer"}])
    output = prepare("civil", config, store)
    report = load_report(output.path / "report.json", DataReport)
    drops = lines(output.path / "dropped.jsonl")
    assert report.n_read == N_GOOD + 5 == report.n_kept + len(drops)
    assert report.dropped["formats"] == {"missing_answer": 1}
    assert report.dropped["cleaning"] == {"unfilled_placeholder": 1}
    assert report.dropped["exact_dedup"] == {"same_text": 1}
    assert sum(n for reasons in report.dropped.values() for n in reasons.values()) == len(drops)
    assert report.sources == {"civil-code": {"read": N_GOOD + 5, "kept": report.n_kept}}
    assert sum(counts["civil-code"] for counts in report.splits.values()) == report.n_kept
    (file,) = report.files
    assert (file.container, file.encoding, file.format, file.n_read, file.n_bad) == (
        "jsonl", "utf-8", "alpaca", N_GOOD + 5, 1,
    )  # fmt: skip


def test_conflicts_are_counted_and_kept(store, config_of):
    output = prepare("civil", config_of([*good_rows(), *odd_rows()]), store)
    answers = [
        record.reference
        for records in load_splits(output)
        for record in records
        if record.prompt_text == "Who pays the rent?"
    ]
    assert sorted(answers) == ["Nobody knows that.", "The tenant."]
    assert load_report(output.path / "report.json", DataReport).n_conflicts == 1


def test_near_dedup_can_be_turned_off_and_leaks_are_still_dropped(store, config_of):
    long = "出租人应当按照约定将租赁物交付承租人并在租赁期限内保持租赁物符合约定的用途"
    copies = [
        {"instruction": f"{long}{'甲乙丙丁戊己庚辛壬癸'[n]}", "output": long} for n in range(10)
    ]
    settings = {"near_dedup": {"enabled": False}, "split": {"holdout_fraction": 0.5}}
    output = prepare("civil", config_of([*good_rows(), *copies], **settings), store)
    report = msgspec.json.decode((output.path / "report.json").read_bytes())
    assert "near_dedup" not in report["dropped"]
    assert report["dropped"]["leakage"]["near_duplicate_in_holdout"] >= 1


def test_records_that_differ_in_their_tools_are_not_the_same_text(store, tmp_path):
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Look up case {n * n}"},
                {"role": "assistant", "content": f"Found {n * 37}"},
            ],
            "tools": json.dumps([{"name": f"search_{tool}"}]),
        }
        for n in range(40)
        for tool in ("court", "archive")
    ]
    source = source_of(tmp_path / "rows.jsonl", rows)
    config = DataConfig.model_validate({"sources": [source], "near_dedup": {"enabled": False}})
    assert "exact_dedup" not in report_of(prepare("civil", config, store)).dropped


def test_too_many_bad_rows_stop_the_run_and_lie_in_quarantine(store, config_of, quarantine):
    bad = [{"instruction": f"Q{n}", "output": ""} for n in range(5)]
    config = config_of([*good_rows(), *bad])
    with pytest.raises(DataError) as caught:
        prepare("civil", config, store)
    place, message = config.sources[0].path, str(caught.value)
    assert (
        "source 'civil-code': 5 of 65 rows are unusable, more than max_bad_fraction=0.05" in message
    )
    assert all(f"{place}:{line}: 'output' is empty" in message for line in (61, 62, 63))
    assert f"{place}:64" not in message
    assert f"{quarantine}; mend them in {place}" in message
    assert [drop["row"] for drop in lines(quarantine)] == bad
    assert not list((store.root / "store").glob("data*"))


def test_quarantine_names_what_is_bad_now(store, config_of, quarantine):
    bad = {"instruction": "no answer"}
    prepare("civil", config_of([*good_rows(), bad]), store)
    assert [drop["reason"] for drop in lines(quarantine)] == ["missing_answer"]
    prepare("civil", config_of(good_rows()), store)
    assert not quarantine.exists()


def test_another_domain_and_a_draft_leave_a_domains_files_alone(store, config_of, quarantine):
    bad = {"instruction": "no answer"}
    first = prepare("civil", config_of([*good_rows(), bad]), store)
    other = prepare("criminal", config_of([*good_rows(), bad]), store)
    assert "Data of criminal" in (other.path / "report.html").read_text()
    assert first.path != other.path
    prepare("civil", config_of(good_rows()), store, is_draft=True)
    assert quarantine.exists()


def test_bad_rows_show_no_personal_data_where_rules_redact_it(store, config_of, quarantine):
    bad = {"instruction": "请拨打电话 13812345678 咨询", "output": ""}
    redact = {"rules": {"phone": "redact"}}
    output = prepare("civil", config_of([*phones(60), bad], cleaning=redact), store)
    for path in (output.path / "dropped.jsonl", output.path / "report.html", quarantine):
        text = path.read_text()
        assert "13812345678" not in text
        assert "1380000" not in text


def test_a_lone_surrogate_in_a_dropped_row_is_kept_as_an_escape(store, tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([*good_rows(), {"instruction": "bad \ud800", "output": ""}]))
    source = {"name": "s", "path": str(path), "license": "MIT"}
    output = prepare("civil", DataConfig.model_validate({"sources": [source]}), store)
    (line,) = (output.path / "dropped.jsonl").read_text().splitlines()
    assert json.loads(line)["row"]["instruction"] == "bad \ud800"


def test_an_empty_side_is_an_error_with_counts_and_a_way_out(store, config_of):
    with pytest.raises(DataError, match=r"train would be empty: 1 records were read, 1 are left"):
        prepare("civil", config_of(good_rows()[:1]), store)
    with pytest.raises(DataError, match=r"train would be empty: 2 records.*add data, or lower hol"):
        prepare("civil", config_of(good_rows()[:2], split={"holdout_fraction": 0.89}), store)


def test_rows_that_are_all_dropped_are_an_error_in_words(store, config_of):
    rows = [{"instruction": f"Who are you? {n}", "output": "I am {{name}}."} for n in range(9)]
    with pytest.raises(DataError, match="train would be empty: 9 records were read, 0 are left"):
        prepare("civil", config_of(rows), store)


def test_validation_may_be_empty(store, config_of):
    config = config_of(good_rows(), split={"validation_fraction": 0})
    assert load_splits(prepare("civil", config, store)).validation == []
