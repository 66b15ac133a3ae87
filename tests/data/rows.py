"""Rows of a small civil-code source, the files they lie in, and what is read back."""

import json
from pathlib import Path

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


def phones(n):
    return [
        {"instruction": f"请拨打电话 138{i:08d} 咨询 {i * i}", "output": f"好 {i * 37}"}
        for i in range(n)
    ]


def source_of(path: Path, rows, name="s"):
    """A source whose file holds these rows, one a line."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return {"name": name, "path": str(path), "license": "MIT"}


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def digests(records):
    return {record.digest for record in records}
