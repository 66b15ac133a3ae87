import json
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from tuneline.data.config import DataConfig
from tuneline.data.prepare import load_splits, prepare, report_of
from tuneline.errors import DataError
from tuneline.records import rows_digest
from tuneline.reports import Certificate, DataReport, load_report
from tuneline.store import Store, file_digest

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
        source = {"name": "civil-code", "path": str(path), "license": "MIT"}
        return DataConfig.model_validate({"sources": [source], **settings})

    return make


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


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


def test_split_files_hold_records_in_an_order_that_rows_do_not_decide(store, config_of):
    first = load_splits(prepare("civil", config_of(good_rows()), store))
    second = load_splits(prepare("civil", config_of(good_rows()[::-1]), store))
    for some, others in zip(first, second, strict=True):
        assert [r.messages for r in some] == [r.messages for r in others]
    assert len(first.train) > len(first.holdout) > 0


def test_the_same_input_is_not_prepared_twice_and_a_new_row_is(store, config_of):
    first = prepare("civil", config_of(good_rows()), store)
    assert prepare("civil", config_of(good_rows()), store).is_reused
    assert not first.is_reused
    assert not prepare("civil", config_of([*good_rows(), *odd_rows()]), store).is_reused


def test_too_many_bad_rows_stop_the_run_and_lie_in_quarantine(store, config_of):
    bad = [{"instruction": f"Q{n}", "output": ""} for n in range(5)]
    config = config_of([*good_rows(), *bad])
    with pytest.raises(DataError) as caught:
        prepare("civil", config, store)
    place, quarantine = (
        config.sources[0].path,
        store.root / "quarantine" / "civil" / "civil-code.jsonl",
    )
    message = str(caught.value)
    assert (
        "source 'civil-code': 5 of 65 rows are unusable, more than max_bad_fraction=0.05" in message
    )
    assert all(f"{place}:{line}: 'output' is empty" in message for line in (61, 62, 63))
    assert f"{place}:64" not in message
    assert f"{quarantine}; mend them in {place}" in message
    assert [drop["row"] for drop in lines(quarantine)] == bad
    assert not list((store.root / "store").glob("data*"))


def test_quarantine_names_what_is_bad_now(store, config_of):
    bad, quarantine = (
        {"instruction": "no answer"},
        store.root / "quarantine" / "civil" / "civil-code.jsonl",
    )
    prepare("civil", config_of([*good_rows(), bad]), store)
    assert [drop["reason"] for drop in lines(quarantine)] == ["missing_answer"]
    prepare("civil", config_of(good_rows()), store)
    assert not quarantine.exists()


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


def test_validation_may_be_empty(store, config_of):
    config = config_of(good_rows(), split={"validation_fraction": 0})
    assert load_splits(prepare("civil", config, store)).validation == []


def test_a_missing_file_is_named_before_any_work(store):
    config = {"sources": [{"name": "s", "path": "nowhere.jsonl", "license": "MIT"}]}
    with pytest.raises(DataError, match=r"nowhere\.jsonl: no such file"):
        prepare("civil", DataConfig.model_validate(config), store)
    assert not store.root.exists()


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


def test_every_file_of_a_folder_is_read_once_and_a_new_one_alone_is_read_later(store, tmp_path):
    folder = tmp_path / "inbox"
    folder.mkdir()
    write = lambda name, rows: (folder / name).write_text(  # noqa: E731
        json.dumps(rows, ensure_ascii=False), encoding="gb18030" if "gbk" in name else "utf-8"
    )
    write("a.json", good_rows()[:30])
    write("b_gbk.json", good_rows()[30:])
    source = {"name": "s", "path": str(folder), "license": "MIT"}
    config = DataConfig.model_validate({"sources": [source]})
    report = report_of(prepare("civil", config, store))
    assert [(f.encoding, f.n_read) for f in report.files] == [("utf-8", 30), ("gb18030", 30)]
    before = {path.stat().st_mtime_ns for path in store.root.glob("store/ingest/*/records.parquet")}
    write("c.json", [{"instruction": f"新 {n}", "output": f"答 {n * n}"} for n in range(9)])
    assert report_of(prepare("civil", config, store)).n_read == 69
    after = {path.stat().st_mtime_ns for path in store.root.glob("store/ingest/*/records.parquet")}
    assert len(after) == 3
    assert before < after


def test_benchmark_rows_are_not_trained_on(store, config_of, tmp_path):
    benchmark = tmp_path / "benchmark.jsonl"
    rows = [good_rows()[n] for n in range(0, N_GOOD, 6)]
    benchmark.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"name": "exam", "path": str(benchmark), "license": "MIT"}
    output = prepare("civil", config_of(good_rows(), benchmarks=[source]), store)
    splits, report = load_splits(output), report_of(output)
    seen = {record.prompt_text for record in [*splits.train, *splits.validation]}
    assert not seen & {row["instruction"] for row in rows}
    check = next(c for c in report.certificate.checks if c.hidden == str(benchmark))
    assert (check.n_hidden, check.remaining) == (10, 0)
    assert check.found == report.dropped["leakage"]["same_prompt_in_benchmark"] > 0
    assert check.examples[0].hidden.startswith(f"{benchmark}:")


def test_the_certificate_names_the_rows_it_is_about(store, config_of):
    output = prepare("civil", config_of(good_rows()), store)
    certificate = load_report(output.path / "certificate.json", Certificate)
    splits = load_splits(output)
    assert certificate.is_clean
    assert certificate.holdout_digest == rows_digest(splits.holdout)
    assert certificate.train_digest == rows_digest(splits.train)
    assert {(c.seen, c.hidden) for c in certificate.checks} == {
        ("validation", "holdout"),
        ("train", "holdout"),
        ("train", "validation"),
        ("train and validation", "earlier holdouts"),
    }


def test_planted_near_duplicate_leaks_are_found(store, config_of):
    random = np.random.default_rng(3)
    words = [f"词{n}" if n % 2 else f"word{n}" for n in range(400)]

    def row(tokens, answer):
        return {"instruction": " ".join(words[t] for t in tokens), "output": answer}

    planted = []
    for n in range(300):
        tokens = random.integers(0, 400, 40)
        copy = tokens.copy()
        copy[random.integers(0, 40)] = random.integers(0, 400)
        planted += [row(tokens, f"answer {n}"), row(copy, f"another {n * 7}")]
    splits = load_splits(prepare("civil", config_of(planted, split={"leak_threshold": 0.7}), store))
    prompts = [
        {record.prompt_text for record in side}
        for side in ([*splits.train, *splits.validation], splits.holdout)
    ]
    pairs = [tuple(r["instruction"] for r in planted[i : i + 2]) for i in range(0, 600, 2)]
    leaks = [p for p in pairs if len({*p} & prompts[0]) and len({*p} & prompts[1])]
    assert len(leaks) <= 0.01 * len(pairs)


def test_lengths_languages_labels_and_findings_are_counted(store, tmp_path, tokenizer):
    rows = [
        {"instruction": f"第 {n} 条有效吗？请回答。{n * n}", "output": "是" if n % 3 else "否"}
        for n in range(60)
    ]
    rows[0]["instruction"] += "\r\n联系 a@b.com"
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"name": "s", "path": str(path), "license": "MIT"}
    config = DataConfig.model_validate({"sources": [source]})
    report = report_of(prepare("civil", config, store, tokenizer, 60))
    assert report.languages["zh"] == report.n_kept
    assert set(report.labels["s"]) == {"是", "否"}
    assert sum(report.tokens.values()) == report.n_kept
    assert (report.max_tokens, report.n_truncated > 0) == (60, True)
    assert report.findings["email"] == {"reported": 1}
    assert report.findings["line_ends"] == {"mended": 1}


def test_the_page_and_the_side_files_lie_beside_the_sides(store, config_of):
    output = prepare("civil", config_of(good_rows()), store)
    assert {p.name for p in output.path.iterdir()} == {
        *("train.parquet", "validation.parquet", "holdout.parquet", "used.parquet"),
        *("dropped.jsonl", "findings.jsonl", "report.json", "report.html", "certificate.json"),
        "manifest.json",
    }
    assert "Data of civil" in (output.path / "report.html").read_text()


def test_the_manifest_says_where_a_snapshot_came_from_and_what_is_in_it(store, config_of):
    config = config_of(good_rows(), cleaning={"rules": {"email": "redact"}})
    output = prepare("civil", config, store)
    manifest = json.loads((output.path / "manifest.json").read_text())
    path = config.sources[0].path
    assert manifest["raw_files"] == {path: file_digest(Path(path))}
    assert manifest["cleaning"]["email"] == "redact"
    assert manifest["counts"]["read"] == N_GOOD
    assert manifest["schema"]["digest"] == "string"
    assert set(manifest["files"]) > {"train.parquet", "holdout.parquet"}


def phones(n):
    return [
        {"instruction": f"请拨打电话 138{i:08d} 咨询 {i * i}", "output": f"好 {i * 37}"}
        for i in range(n)
    ]


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


def test_a_benchmark_that_cannot_be_compared_stops_the_run(store, config_of, tmp_path):
    benchmark = tmp_path / "exam.jsonl"
    rows = [{"instruction": row["instruction"], "output": ""} for row in good_rows()]
    benchmark.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"name": "exam", "path": str(benchmark), "license": "MIT"}
    with pytest.raises(DataError, match="source 'exam': 60 of 60 rows are unusable"):
        prepare("civil", config_of(good_rows(), benchmarks=[source]), store)


def test_a_benchmark_row_that_training_would_drop_is_compared_all_the_same(
    store, config_of, tmp_path
):
    benchmark = tmp_path / "exam.jsonl"
    rows = [row | {"output": "Sorry, I cannot help with that."} for row in good_rows()[::3]]
    benchmark.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"name": "exam", "path": str(benchmark), "license": "MIT"}
    report = report_of(prepare("civil", config_of(good_rows(), benchmarks=[source]), store))
    check = next(c for c in report.certificate.checks if c.hidden == str(benchmark))
    assert check.n_hidden == 20
    assert check.found > 10


def test_rows_that_are_all_dropped_are_an_error_in_words(store, config_of):
    rows = [{"instruction": f"Who are you? {n}", "output": "I am {{name}}."} for n in range(9)]
    with pytest.raises(DataError, match="train would be empty: 9 records were read, 0 are left"):
        prepare("civil", config_of(rows), store)


def test_another_domain_and_a_draft_leave_a_domains_files_alone(store, config_of):
    bad = {"instruction": "no answer"}
    first = prepare("civil", config_of([*good_rows(), bad]), store)
    quarantine = store.root / "quarantine" / "civil" / "civil-code.jsonl"
    other = prepare("criminal", config_of([*good_rows(), bad]), store)
    assert "Data of criminal" in (other.path / "report.html").read_text()
    assert first.path != other.path
    prepare("civil", config_of(good_rows()), store, is_draft=True)
    assert quarantine.exists()


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
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"name": "s", "path": str(path), "license": "MIT"}
    config = DataConfig.model_validate({"sources": [source], "near_dedup": {"enabled": False}})
    assert "exact_dedup" not in report_of(prepare("civil", config, store)).dropped


def test_bad_rows_show_no_personal_data_where_rules_redact_it(store, config_of):
    bad = {"instruction": "请拨打电话 13812345678 咨询", "output": ""}
    redact = {"rules": {"phone": "redact"}}
    output = prepare("civil", config_of([*phones(60), bad], cleaning=redact), store)
    quarantine = store.root / "quarantine" / "civil" / "civil-code.jsonl"
    for path in (output.path / "dropped.jsonl", output.path / "report.html", quarantine):
        text = path.read_text()
        assert "13812345678" not in text
        assert "1380000" not in text


def fresh_rows(n=40):
    return [
        {"instruction": f"Which law rules case {i * 71}?", "output": f"Law {i}"} for i in range(n)
    ]


def digests(records):
    return {record.digest for record in records}


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
