import pytest

from tuneline.data.cleaning import MENDS, RULES, clean, mend_text
from tuneline.data.config import CleaningConfig
from tuneline.records import Message, Record

CONFIG = CleaningConfig(min_answer_chars=2, max_chars=100)


def record(prompt, answer):
    return Record((Message("user", prompt), Message("assistant", answer)), "s", "f.jsonl", 3)


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("  a\r\nb\rc \n", "a\nb\nc"),
        ("a\x00b\x07c\td", "abc\td"),
        ("\ufeff合\u200b同\u2060", "合同"),
        ("cafe\u0301", "café"),
        ("ab\ud800c", "abc"),
        ("“合同”，Ａ：①！", "“合同”，Ａ：①！"),
        ("👩\u200d⚖️ می\u200cروم", "👩\u200d⚖️ می\u200cروم"),
    ],
)
def test_text_is_mended_and_its_punctuation_and_joiners_stay(text, mended):
    assert mend_text(text) == mended


@pytest.mark.parametrize("name", MENDS)
@pytest.mark.parametrize("text", ["a\r\nb", " x\u200b ", "cafe\u0301"])
def test_every_mend_is_done_after_one_pass(name, text):
    assert MENDS[name](MENDS[name](text)) == MENDS[name](text)


@pytest.mark.parametrize(
    ("prompt", "answer", "reason", "detail"),
    [
        ("\u200b", "Yes", "empty_prompt", "no visible text"),
        ("Q", "\u200b", "empty_answer", "the answer has 0 characters, min_answer_chars is 2"),
        ("Q", "x" * 100, "too_long", "the record has 101 characters, max_chars is 100"),
        ("What Is It?", "what is  it?", "answer_equals_prompt", "repeats the prompt"),
        ("Who?", "I am {{ name }}.", "unfilled_placeholder", "{{ name }} was never filled in"),
    ],
)
def test_each_rule_drops_with_its_reason(prompt, answer, reason, detail):
    kept, (drop,) = clean([record(prompt, answer)], CONFIG)
    assert (kept, drop.stage, drop.reason, drop.place) == ([], "cleaning", reason, "f.jsonl:3")
    assert detail in drop.detail


def test_every_rule_has_an_example_above_and_lets_a_good_record_pass():
    good = record("Is it fair?", "No")
    assert [rule(good, CONFIG) for rule in RULES.values()] == [None] * 5


def test_mended_records_are_kept_and_counted(caplog):
    caplog.set_level("INFO", logger="tuneline")
    kept, drops = clean([record(" Q ", "Yes"), record("Q", "No")], CONFIG)
    assert [r.prompt_text for r in kept] == ["Q", "Q"]
    assert drops == []
    assert "cleaning: kept=2 dropped=0 mended=1" in caplog.text
