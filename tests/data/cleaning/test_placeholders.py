import pytest

from tuneline.data.cleaning.placeholders import find_blank_field, find_placeholder
from tuneline.records import Message, Record


def record(answer, prompt="Q"):
    return Record((Message("user", prompt), Message("assistant", answer)), "s", "f", 1)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ("我是 {{name}}，由 {{ author }} 开发", "{{name}} was never filled in"),
        ("根据《民法典》第X条的规定", "第X条 names no article"),
        ("依照刑法第××条", "第××条 names no article"),
        ("依照刑法第 某某 条", "第 某某 条 names no article"),
    ],
)
def test_what_was_never_filled_in_is_found_where_it_stands(answer, detail):
    found = find_placeholder(record(answer))
    assert found == (detail, answer.index(detail.split(" ")[0]))


@pytest.mark.parametrize(
    "answer",
    ["{name} and ${x}", "\\frac{{a}}{b} + {{a+b}}", "第十条、第10条", "每条X", "第一百条", "XX条"],
)
def test_formulas_and_numbered_articles_are_filled_in(answer):
    assert find_placeholder(record(answer)) is None


def test_templates_may_hold_placeholders():
    assert find_placeholder(record("```\n{{ name }}\n```")) is None
    assert find_placeholder(record("{{ name }}", "How does Jinja print a name?")) is None


@pytest.mark.parametrize(
    "answer",
    ["Regards,\n[Your Name]", "[Company Name] announces", "此致，[您的姓名]", "甲方：【公司名称】",
     "位于[插入地址]", "Dear [Recipient]", "on [Date]"],
)  # fmt: skip
def test_blank_fields_are_found(answer):
    assert find_blank_field(record(answer)) is not None


@pytest.mark.parametrize(
    "answer",
    ["[法条]刑法第128条<eoa>", "[正确答案]A", "[1] see [Doe v. Roe]", "[Date](https://x.test)",
     "const [name, setName]", "[EMAIL] [PHONE]", "（姓名）"],
)  # fmt: skip
def test_other_brackets_are_not(answer):
    assert find_blank_field(record(answer)) is None
