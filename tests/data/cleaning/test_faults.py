import pytest

from tuneline.data.cleaning.cleaner import clean_records
from tuneline.data.cleaning.config import FAULT_DEFAULTS, CleaningConfig
from tuneline.data.cleaning.faults import FAULTS, Subject
from tuneline.records import Message, Record

CONFIG = CleaningConfig(min_answer_chars=2, max_chars=400, max_tokens=5, languages=("en",))
LOOP = "The court held that the clause is void. " * 9


def record(prompt="Is this clause fair?", answer="No", **others):
    messages = (Message("user", prompt), Message("assistant", answer))
    return Record(messages, "s", "f.jsonl", 3, **others)


EXAMPLES = [
    (record(is_desirable=False), "undesirable_answer", "people do not want"),
    (record("\u200b"), "empty_prompt", "a turn before the answer has no visible text"),
    (record(answer=" \u200b"), "empty_answer", "has 0 characters, min_answer_chars is 2"),
    (record("Q", "ab" * 200), "too_long", "the record has 401 characters, max_chars is 400"),
    (record("six"), "too_many_tokens", "the record has 6 tokens, max_tokens is 5"),
    (record(answer="A lost \ufffd"), "broken_encoding", "1 characters were lost (U+FFFD)"),
    (record("鍚堝悓 is what?"), "broken_encoding", "the wrong encoding"),
    (record("What Is It?", "what is  it？"), "answer_equals_prompt", "repeats the prompt"),
    (record(rejected="no "), "answer_equals_rejected", "are the same"),
    (record(answer="I am {{ name }}."), "unfilled_placeholder", "{{ name }} was never filled in"),
    (record(answer="Best, [Your Name]"), "blank_field", "[Your Name] is a blank"),
    (record(answer=LOOP), "repetition", "40 characters are said 9 times over"),
    (record(answer="I'm sorry, but I cannot help."), "refusal", "declines"),
    (record(answer="As an AI model, yes."), "ai_disclaimer", "'As an AI model'"),
    (record("合同何时生效？", "依法成立时生效。"), "language", "language is zh, languages are en"),
]


def count_tokens(texts):
    return [6 if text.startswith("six") else 1 for text in texts]


def test_every_rule_has_an_example():
    assert {rule for _, rule, _ in EXAMPLES} == set(FAULTS)


@pytest.mark.parametrize(("given", "rule", "detail"), EXAMPLES)
def test_each_rule_drops_with_its_reason_and_place_when_told_to(given, rule, detail):
    config = CONFIG.model_copy(update={"rules": {rule: "drop"}})
    (cleaned,) = clean_records([given], config, count_tokens)
    assert cleaned.drop is not None
    assert (cleaned.drop.stage, cleaned.drop.reason) == ("cleaning", rule)
    assert cleaned.drop.place == "f.jsonl:3"
    assert detail in cleaned.drop.detail
    assert cleaned.drop.row["messages"][-1]["content"] == cleaned.record.reference
    assert cleaned.findings == ()


@pytest.mark.parametrize(("given", "rule", "detail"), EXAMPLES)
def test_each_rule_reports_and_keeps_when_told_to(given, rule, detail):
    quiet = {**dict.fromkeys(FAULT_DEFAULTS, "off"), rule: "report"}
    config = CONFIG.model_copy(update={"rules": quiet})
    (cleaned,) = clean_records([given], config, count_tokens)
    assert cleaned.drop is None
    (finding,) = [f for f in cleaned.findings if f.action == "reported"]
    assert (finding.rule, finding.after) == (rule, "")
    assert 0 < len(finding.before) <= 160


@pytest.mark.parametrize("name", FAULTS)
def test_no_rule_finds_fault_with_a_good_record(name):
    assert FAULTS[name](Subject(record(), "en", 5), CONFIG) is None


def test_one_lost_character_in_a_long_prompt_is_no_fault_and_three_are():
    def fault(prompt):
        return FAULTS["broken_encoding"](Subject(record(prompt), "zh", None), CONFIG)

    assert fault("徐红艳何\ufffd颐") is None
    assert "3 characters were lost" in fault("剧\ufffd\ufffd\ufffd品").detail


def test_a_mixed_record_stays_where_one_of_its_languages_is_allowed():
    rule = FAULTS["language"]
    long = record("Translate this: 合同自双方签字之日起生效。")
    assert rule(Subject(long, "zh+en", None), CONFIG) is None
    assert rule(Subject(long, "unknown", None), CONFIG) is None
    assert rule(Subject(long, "de", None), CONFIG) is not None


def test_records_under_ten_characters_are_never_dropped_for_their_language():
    assert FAULTS["language"](Subject(record("是否？", "是"), "zh", None), CONFIG) is None
