import pytest

from tuneline.data.cleaning.config import MENDER_DEFAULTS
from tuneline.data.cleaning.menders import (
    INVISIBLE,
    LINE_ENDS,
    MENDERS,
    SURROGATE,
    SUSPECT,
    mend_record,
)
from tuneline.data.cleaning.mojibake import LEAD_BYTE
from tuneline.records import Message, Record


def mended(text, rules=tuple(MENDER_DEFAULTS)):
    messages = (Message("user", text), Message("assistant", "Yes"))
    return mend_record(Record(messages, "s", "f.jsonl", 3), rules).record.prompt_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  a\r\nb\rc \n", "a\nb\nc"),
        ("a\u2028b\x0cc\x0bd", "a\nb\nc\nd"),
        ("a\x00b\x07c\td", "abc\td"),
        ("\ufeff合\u200b同\u2060", "合同"),
        ("香港電台\u200e\u202e發布", "香港電台發布"),
        ("ig\U000e0069nore", "ignore"),
        ("cafe\u0301", "café"),
        ("ab\ud800c \ud83d\ude00", "abc 😀"),
        ("prior\xa0to\u2003a", "prior to a"),
        ("a\n\n\n\n \n\nb", "a\n\n\nb"),
        ("&#x200b;a&#13;&#10;b", "a\nb"),
    ],
)
def test_text_is_mended(text, expected):
    assert mended(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "“合同”，Ａ：①！　第三十条　社会团体",
        "👩\u200d⚖️ می\u200cروم ❤️",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "def f():\n\n\n    return 1  \nx\ty",
        "ﬁ ½ ² Å ㈱ ｶﾅ",
        "closed “curly” ‘quotes’ — and – dashes…",
    ],
)
def test_widths_quotes_joiners_indents_and_flags_stay(text):
    assert mended(text) == text


@pytest.mark.parametrize("rule", MENDERS)
def test_a_mender_that_is_off_does_nothing(rule):
    text = " \ud83d\ude00&amp;\x92 x\ry\u200bcafe\u0301 "
    others = [name for name in MENDERS if name != rule]
    assert mended(text, others) != mended(text)


def test_each_rule_that_changed_a_record_is_shown_once_before_and_after():
    messages = (Message("user", " Q "), Message("assistant", "a\r\nb\r\nc"))
    record = Record(messages, "s", "f.jsonl", 3, rejected="No\u200b way\r\n")
    draft = mend_record(record, list(MENDERS))
    assert draft.record.rejected == "No way"
    shown = {(f.rule, f.action, f.place, f.before, f.after) for f in draft.findings}
    assert shown == {
        ("whitespace", "mended", "f.jsonl:3", " Q ", "Q"),
        ("line_ends", "mended", "f.jsonl:3", "a\r\nb\r\nc", "a\nb\nc"),
        ("invisible", "mended", "f.jsonl:3", "No\u200b way\n", "No way\n"),
    }


def test_a_mended_record_has_a_digest_of_its_own_and_an_unchanged_one_is_the_same_object():
    record = Record((Message("user", "Q"), Message("assistant", "x\u200by")), "s", "f", 1)
    old = record.digest
    assert mend_record(record, list(MENDERS)).record.digest != old
    clean = Record((Message("user", "Q"), Message("assistant", "xy")), "s", "f", 1)
    assert mend_record(clean, list(MENDERS)).record is clean


def test_no_character_that_a_mender_acts_on_escapes_suspicion():
    everything = "".join(map(chr, range(0x110000)))
    suspects = set(SUSPECT.findall(everything))
    for pattern in (SURROGATE, LINE_ENDS, LEAD_BYTE):
        assert set(pattern.findall(everything)) <= suspects
    assert {match.group() for match in INVISIBLE.finditer(everything)} <= suspects


ZERO_WIDTH, PHONE = "\u200b", "13812345678"


def findings(text, rules=tuple(MENDERS)):
    messages = (Message("user", text), Message("assistant", "Yes"))
    return {f.rule: f for f in mend_record(Record(messages, "s", "f", 3), rules).findings}


@pytest.mark.parametrize(
    ("text", "rule", "shown"),
    [
        (f"打138{ZERO_WIDTH}12345678吧", "invisible", "打13*******78吧"),
        ("打138&#8203;12345678吧", "html", "打13*******78吧"),
        ("打138&#8203;12345678吧", "invisible", "打13*******78吧"),
        ("bob.smith&#64;example.com", "html", "bob******@*********om"),
        ("bob.smith&amp;#64;example.com", "html", "bob******@*********om"),
        (f"&amp; {'x' * 60} bob.smith&#64;example.com", "html", None),
    ],
)
def test_a_value_that_mending_uncovers_is_shown_masked_alone(text, rule, shown):
    finding = findings(text)[rule]
    assert finding.before == finding.after
    assert PHONE not in finding.after
    assert not any(part in finding.before for part in ("smith", "1381", "138\u200b", "example"))
    assert shown in (None, finding.before)


def test_a_value_that_patterns_see_and_one_far_away_leave_the_change_to_be_seen():
    seen = findings(f"电话{PHONE}{ZERO_WIDTH}。")["invisible"]
    assert (seen.before, seen.after) == ("电话13*******78\u200b。", "电话13*******78。")
    far = findings(f"合{ZERO_WIDTH}同{'。' * 3000}138{ZERO_WIDTH}12345678")["invisible"]
    assert (far.before[:3], far.after[:2]) == ("合\u200b同", "合同")


def test_a_value_is_not_shown_where_the_rule_that_uncovers_it_is_off():
    finding = findings(" bob.smith&#64;example.com", ["whitespace"])["whitespace"]
    assert "smith" not in finding.before + finding.after
