import pytest

from tuneline.data.cleaning.refusals import find_ai_disclaimer, find_refusal
from tuneline.records import Message, Record


def record(answer, **others):
    return Record((Message("user", "Q"), Message("assistant", answer)), "s", "f", 1, **others)


REFUSALS = [
    "I'm sorry, but I can't assist with that.",
    "I’m sorry, I cannot retrieve that information.",
    "As an AI language model, I don't have access to real-time data.",
    "I cannot provide legal advice.",
    "很抱歉，我无法提供法律意见。",
    "对不起，由于您未提供合同全文，我无法回答。",
    "作为一个人工智能助手，我不能替您签字。",
    "我无法回答这个问题。",
]


@pytest.mark.parametrize("answer", REFUSALS)
def test_declining_answers_are_refusals(answer):
    assert find_refusal(record(answer)) is not None


@pytest.mark.parametrize(
    "answer",
    [
        "Unfortunately, the angle cannot be determined from two sides.",
        "The seller cannot rescind the contract.",
        "I am sorry for your loss. You can claim damages.",
        "很抱歉听到您的遭遇。您可以申请仲裁。",
        "很抱歉，您的情况无法申请仲裁，可以起诉。",
        "被告无法偿还借款的，应当承担违约责任。",
        "作为债权人，你不能直接扣押财产。",
        "作为人工智能，我无法出庭，但您可以委托律师。",
        "I'm sorry, I cannot draw. However, here is the clause in words: ...",
        "Sorry, we cannot. " + "The statute provides otherwise. " * 10,
        "",
    ],
)
def test_legal_answers_and_those_that_answer_after_all_are_none(answer):
    assert find_refusal(record(answer)) is None


@pytest.mark.parametrize(
    "others", [{"rejected": "Sure!"}, {"is_desirable": True}, {"tools": "[{}]"}]
)
def test_a_refusal_that_was_asked_for_stays(others):
    assert find_refusal(record(REFUSALS[0], **others)) is None


def test_an_undesired_refusal_is_one():
    assert find_refusal(record(REFUSALS[0], is_desirable=False)) is not None


def test_what_a_refusal_quotes_of_personal_data_is_masked():
    detail, _ = find_refusal(record("I'm sorry, 13812345678, but I cannot"))
    assert "13812345678" not in detail


@pytest.mark.parametrize(
    ("answer", "at"),
    [
        ("Yes. As an AI assistant, I am neutral.", 5),
        ("I am a large language model.", 0),
        ("您好，我是人工智能助手。", 3),
        ("It is after my knowledge cutoff.", 15),
    ],
)
def test_an_answer_that_speaks_of_itself_as_an_ai_is_found(answer, at):
    assert find_ai_disclaimer(record(answer))[1] == at


@pytest.mark.parametrize(
    "answer",
    ["AI vendors are liable as providers.", "人工智能生成物受著作权法保护吗？", "As an aid."],
)
def test_law_about_ai_is_no_disclaimer(answer):
    assert find_ai_disclaimer(record(answer)) is None
