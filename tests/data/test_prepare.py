"""Files in, sides and a report out: what is read, what is written, what is reused."""

import json
from pathlib import Path

import pytest

from tests.data.rows import N_GOOD, good_rows, odd_rows, source_of
from tuneline.data.config import DataConfig
from tuneline.data.prepare import load_splits, prepare, report_of
from tuneline.errors import DataError
from tuneline.store import file_digest


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


def test_a_missing_file_is_named_before_any_work(store):
    config = {"sources": [{"name": "s", "path": "nowhere.jsonl", "license": "MIT"}]}
    with pytest.raises(DataError, match=r"nowhere\.jsonl: no such file"):
        prepare("civil", DataConfig.model_validate(config), store)
    assert not store.root.exists()


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


def test_lengths_languages_labels_and_findings_are_counted(store, tmp_path, tokenizer):
    rows = [
        {"instruction": f"第 {n} 条有效吗？请回答。{n * n}", "output": "是" if n % 3 else "否"}
        for n in range(60)
    ]
    rows[0]["instruction"] += "\r\n联系 a@b.com"
    source = source_of(tmp_path / "rows.jsonl", rows)
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
