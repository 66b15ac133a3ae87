import pytest
import yaml
from pydantic import ValidationError

from tuneline.data.cleaning.cleaner import clean_records
from tuneline.data.cleaning.config import (
    ALLOWED,
    DEFAULTS,
    FAULT_DEFAULTS,
    MENDER_DEFAULTS,
    PERSONAL_DEFAULTS,
    CleaningConfig,
)
from tuneline.data.cleaning.faults import FAULTS
from tuneline.data.cleaning.menders import MENDERS, SUSPICIOUS_ONLY
from tuneline.data.cleaning.personal_data import FINDERS
from tuneline.records import Message, Record


def test_every_rule_has_a_function_and_a_default_that_it_can_do():
    assert list(MENDERS) == list(MENDER_DEFAULTS)
    assert list(FAULTS) == list(FAULT_DEFAULTS)
    assert list(FINDERS) == list(PERSONAL_DEFAULTS)
    assert set(MENDERS) >= SUSPICIOUS_ONLY
    assert all(DEFAULTS[rule] in ALLOWED[rule] for rule in DEFAULTS)
    assert DEFAULTS.keys() == ALLOWED.keys()


@pytest.mark.parametrize("rule", DEFAULTS)
def test_every_rule_can_be_set_to_all_that_it_can_do_and_to_nothing_else(rule):
    for action in ALLOWED[rule]:
        assert CleaningConfig(rules={rule: action}).action(rule) == action
    with pytest.raises(ValidationError, match=f"'{rule}' cannot 'burn'; it can {ALLOWED[rule][0]}"):
        CleaningConfig(rules={rule: "burn"})


def test_a_rule_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValidationError, match=r"no rule 'fone'; rules are surrogates, .*phone"):
        CleaningConfig(rules={"fone": "off"})
    with pytest.raises(ValidationError, match="'whitespace' cannot 'drop'; it can mend, off"):
        CleaningConfig(rules={"whitespace": "drop"})


def test_a_bare_off_in_yaml_is_off():
    config = CleaningConfig(**yaml.safe_load("rules: {html: off, phone: redact}"))
    assert (config.action("html"), config.action("phone")) == ("off", "redact")


def test_a_rule_that_nobody_names_does_its_default():
    assert CleaningConfig().action("email") == "report"


def test_rules_that_are_off_leave_everything_alone():
    switchable = [rule for rule in DEFAULTS if "off" in ALLOWED[rule]]
    assert set(DEFAULTS) - {*switchable} == {"surrogates"}
    config = CleaningConfig(rules=dict.fromkeys(switchable, "off"))
    messages = (Message("user", " \u200b&amp;\r\n"), Message("assistant", "a@example.com {{x}}"))
    record = Record(messages, "s", "f.jsonl", 1)
    (cleaned,) = clean_records([record], config)
    assert (cleaned.record, cleaned.drop, cleaned.findings) == (record, None, ())
