"""A report of the data stage with a number of its own in every place, and what goes with it."""

import dataclasses

from tuneline.data.drops import Drop, Finding
from tuneline.reports import (
    Certificate,
    Cluster,
    Conflict,
    DataReport,
    FileReport,
    Leak,
    LeakCheck,
)

ATTACK = "<script>alert('租赁')</script>"


def report(**changes):
    leak = Leak("rows.jsonl:71", "rows.jsonl:72", "near_duplicate", f"leaked {ATTACK}")
    check = LeakCheck("train", "earlier holdouts", 7171, 7272, 73, 0, (leak,))
    whole = DataReport(
        n_read=12_345,
        n_kept=12_000,
        dropped={
            "cleaning": {"refusal": 111},
            "formats": {"missing_answer": 201, ATTACK: 33},
        },
        splits={"train": {"faq": 9_601}, "validation": {"faq": 1_198}, "holdout": {"faq": 1_201}},
        sources={"faq": {"read": 12_345, "kept": 12_000}},
        n_conflicts=44,
        files=(FileReport("rows.jsonl", "faq", "jsonl.gz", "gb18030", "alpaca", "d", 12_345, 234),),
        findings={"nfc": {"mended": 55}, "phone": {"reported": 66}},
        languages={"zh": 11_077, "en": 923},
        labels={"faq": {ATTACK: 8_800, "不公平": 880}},
        tokens={"512": 9_911, "1024": 1_089, "2048": 1_000},
        n_truncated=1_000,
        max_tokens=1024,
        cluster_sizes={"2": 321, "19": 1},
        clusters=(Cluster(19, "rows.jsonl:81", f"cluster {ATTACK}", ("rows.jsonl:82",)),),
        conflicts=(Conflict(ATTACK, ("是", "否"), ("rows.jsonl:91", "rows.jsonl:92")),),
        certificate=Certificate((check,), 0.8, "a1" * 32, "b2" * 32, "c3" * 32),
    )
    return dataclasses.replace(whole, **changes)


def drop(n=1, reason="refusal", **changes):
    messages = [
        {"role": "user", "content": "押金不退怎么办？"},
        {"role": "assistant", "content": ATTACK},
    ]
    one = Drop("faq", f"rows.jsonl:{n}", "cleaning", reason, f"detail {n}", {"messages": messages})
    return dataclasses.replace(one, **changes)


def finding(before, after, rule="nfc", action="mended"):
    return Finding("faq", "rows.jsonl:5", rule, action, before, after)
