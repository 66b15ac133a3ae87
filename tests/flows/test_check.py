"""`tuneline check`: tables, a page, and an exit code, without training and without memory."""

import json
import sys
from pathlib import Path

import pytest

from flows import cli

ROOT = Path(__file__).parent.parent.parent
ROWS = [{"question": f"第 {n} 条？{n * n}", "answer": f"答 {n * 37}"} for n in range(40)]


@pytest.fixture
def check(monkeypatch, capsys, tmp_path):
    """Runs the command; returns exit code, standard output and standard error."""
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setattr(cli, "_set_up_terminal", lambda: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["tuneline", "check", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as stopped:
            code = stopped.code or 0
        else:
            code = 0
        return code, *capsys.readouterr()

    return run


def write(path, rows, encoding="utf-8"):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding=encoding)
    return path


def test_a_good_file_gets_tables_a_page_and_exit_code_0(check, tmp_path):
    code, out, _ = check(write(tmp_path / "问答.jsonl", ROWS, "gb18030"))
    assert code == 0
    assert "gb18030" in out
    assert "question_answer" in out
    assert "40 rows read = 40 kept" in out
    page = Path(out.split("Report: ")[1].splitlines()[0])
    assert "问答.jsonl" in page.read_text(encoding="utf-8")


def test_bad_rows_beyond_the_limit_are_shown_and_give_exit_code_1(check, tmp_path):
    code, out, err = check(write(tmp_path / "rows.jsonl", [*ROWS, *[{"question": "Q"}] * 9]))
    assert code == 1
    assert "missing_answer" in out
    assert "Report: " in out
    assert "9 of 49 rows are unusable" in err
    assert "rows.jsonl:41" in err


def test_settings_of_the_source_can_be_given(check, tmp_path):
    path = write(
        tmp_path / "rows.jsonl", [{"ask": r["question"], "reply": r["answer"]} for r in ROWS]
    )
    code, _, err = check(path)
    assert code == 1
    assert "no known format has these keys: ask, reply" in err
    columns = "columns={question: ask, answer: reply}"
    code, out, _ = check(path, "--set", "format=question_answer", "--set", columns)
    assert (code, "40 rows read = 40 kept" in out) == (0, True)
    code, _, err = check(path, "--set", "colour=red")
    assert code == 1
    assert "colour is not a setting; allowed there: answer, columns" in err


def test_a_missing_file_and_a_single_row_are_one_sentence(check, tmp_path):
    code, _, err = check(tmp_path / "nowhere.jsonl")
    assert (code, err.count("error: "), "no such file" in err) == (1, 1, True)
    code, _, err = check(write(tmp_path / "one.jsonl", ROWS[:1]))
    assert (code, "train would be empty" in err) == (1, True)


def test_a_profile_is_checked_with_its_tokenizer_and_nothing_is_remembered(
    check, monkeypatch, tmp_path
):
    monkeypatch.chdir(ROOT)
    code, out, _ = check("smoke")
    assert code == 0
    assert "240 rows read" in out
    assert not list((tmp_path / "workspace" / "memory").rglob("*.parquet"))


def test_a_base_model_that_is_not_at_hand_does_not_stop_a_check_of_the_data(check, monkeypatch):
    monkeypatch.chdir(ROOT)
    code, out, _ = check("lawyer")
    assert code == 0
    assert "Lengths in tokens are not shown: base model Qwen/Qwen2.5-7B-Instruct@" in out


def test_fetch_gets_the_base_model_once(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("TUNELINE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["tuneline", "fetch", "smoke"])
    for _ in range(2):
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert not stopped.value.code
    folders = {line.split(": ")[1] for line in capsys.readouterr().out.splitlines()}
    assert len(folders) == 1
    assert (Path(folders.pop()) / "model.safetensors").is_file()
