import dataclasses
import json

import pytest

from tuneline.data.cleaning.cleaner import clean_records
from tuneline.data.cleaning.config import CleaningConfig
from tuneline.records import Message, Record

PHONE, EMAIL = "13812345678", "li.si@example.com"


def record(prompt="Q", answer="Yes", **others):
    messages = (Message("user", prompt), Message("assistant", answer))
    return Record(messages, "s", "f.jsonl", 7, **others)


def clean(given, **rules):
    (cleaned,) = clean_records([given], CleaningConfig(rules=rules))
    return cleaned


def test_personal_data_is_reported_masked_and_the_record_stays_as_it_was():
    given = record(f"我的手机是{PHONE}", "好的")
    cleaned = clean(given)
    assert cleaned.record == given
    (finding,) = cleaned.findings
    assert (finding.rule, finding.action, finding.after) == ("phone", "reported", "")
    assert finding.before == "我的手机是13*******78"


def test_redaction_reaches_every_turn_and_the_rejected_answer_and_changes_the_digest():
    given = record(f"打{PHONE}", f"写信到{EMAIL}", rejected=f"打{PHONE}或{EMAIL}", group="g")
    old = given.digest
    cleaned = clean(given, phone="redact", email="redact")
    assert [m.content for m in cleaned.record.messages] == ["打[PHONE]", "写信到[EMAIL]"]
    assert cleaned.record.rejected == "打[PHONE]或[EMAIL]"
    assert cleaned.record.digest != old
    assert {f.rule: (f.action, f.before, f.after) for f in cleaned.findings} == {
        "phone": ("redacted", "打13*******78", "打[PHONE]"),
        "email": ("redacted", "写信到li.**@*********om", "写信到[EMAIL]"),
    }


@pytest.mark.parametrize("place", ["prompt", "answer", "rejected"])
def test_a_drop_for_personal_data_shows_its_place_and_nothing_of_the_value(place):
    cleaned = clean(record(**{place: f"电话：{PHONE}"}, group=PHONE), phone="drop")
    assert cleaned.drop is not None
    assert (cleaned.drop.reason, cleaned.drop.place) == ("phone", "f.jsonl:7")
    assert cleaned.drop.row == {"digest": cleaned.record.digest, "excerpt": "电话：13*******78"}
    assert PHONE not in json.dumps(dataclasses.asdict(cleaned.drop), ensure_ascii=False)
    assert cleaned.findings == ()


def test_a_rule_that_drops_goes_before_one_that_redacts():
    cleaned = clean(record(f"{PHONE} {EMAIL}"), phone="redact", email="drop")
    assert cleaned.drop is not None
    assert cleaned.drop.reason == "email"
    assert PHONE not in str(cleaned.drop)


def test_a_rule_that_is_off_sees_nothing_and_no_other_finding_shows_the_value():
    cleaned = clean(record(f" 手机{PHONE} "), phone="off")
    assert [(f.rule, f.before) for f in cleaned.findings] == [("whitespace", " 手机13*******78 ")]


def test_a_redacted_record_that_breaks_a_rule_is_dropped_without_the_value():
    given = record(f"打{PHONE}", "{{name}}")
    cleaned = clean(given, phone="redact")
    assert cleaned.drop is not None
    assert cleaned.drop.reason == "unfilled_placeholder"
    assert PHONE not in str(cleaned.drop)


TOOLS = [{"name": "call", "example": f"打{PHONE}", "default": int(PHONE), "maximum": 7}]


@pytest.mark.parametrize("is_ascii", [False, True])
def test_redaction_reaches_the_tools_and_they_stay_json(is_ascii):
    cleaned = clean(record(tools=json.dumps(TOOLS, ensure_ascii=is_ascii)), phone="redact")
    shown = {"example": "打[PHONE]", "default": "[PHONE]"}
    assert json.loads(cleaned.record.tools) == [TOOLS[0] | shown]
    assert [(f.rule, f.action) for f in cleaned.findings] == [("phone", "redacted")]


def test_tools_without_personal_data_stay_as_they_are_written():
    tools = '[ {"name":"call",  "maximum": 13} ]'
    assert clean(record(f"打{PHONE}", tools=tools), phone="redact").record.tools == tools
    given = record(tools=json.dumps(TOOLS))
    assert clean(given).record == given


def test_personal_data_in_the_tools_drops_a_record_too():
    cleaned = clean(record(tools=json.dumps(TOOLS)), phone="drop")
    assert cleaned.drop is not None
    assert (cleaned.drop.reason, PHONE in str(cleaned.drop)) == ("phone", False)


def test_tools_that_are_no_json_are_redacted_as_text():
    assert clean(record(tools=f"call {PHONE}"), phone="redact").record.tools == "call [PHONE]"
