import pytest

ASKED, LIKED, DISLIKED = "Is it?", "Yes, by law.", "Who knows."


def turn(role, text):
    return {"role": role, "content": text}


def said(name, text):
    return {"from": name, "value": text}


def parts(role, text):
    return {"role": role, "content": [{"type": "text", "value": text}], "loss_weight": 1.0}


WHOLE = [turn("user", ASKED), turn("assistant", LIKED)]
PAIRS = {
    "texts": {"prompt": ASKED, "chosen": LIKED, "rejected": DISLIKED},
    "alpaca": {"instruction": ASKED, "input": "", "chosen": LIKED, "rejected": DISLIKED},
    "question": {"question": ASKED, "chosen": LIKED, "rejected": DISLIKED},
    "one turn": {
        "conversations": [said("human", ASKED)],
        "chosen": said("gpt", LIKED),
        "rejected": said("gpt", DISLIKED),
    },
    "one turn of messages": {
        "messages": [turn("user", ASKED)],
        "chosen": turn("assistant", LIKED),
        "rejected": turn("assistant", DISLIKED),
    },
    "lists of answers": {
        "prompt": [turn("user", ASKED)],
        "chosen": [turn("assistant", LIKED)],
        "rejected": [turn("assistant", DISLIKED)],
    },
    "lists with their prompt": {
        "prompt": ASKED,
        "chosen": WHOLE,
        "rejected": [turn("user", ASKED), turn("assistant", DISLIKED)],
    },
    "whole conversations in parts": {
        "chosen_messages": [parts("user", ASKED), parts("assistant", LIKED)],
        "rejected_messages": [parts("user", ASKED), parts("assistant", DISLIKED)],
    },
}


@pytest.mark.parametrize("name", PAIRS)
def test_every_spelling_of_a_preference_gives_the_same_record(read_rows, name):
    (record,), drops = read_rows([PAIRS[name]])
    assert [(m.role, m.content) for m in record.messages] == [("user", ASKED), ("assistant", LIKED)]
    assert (record.rejected, record.is_desirable, drops) == (DISLIKED, None, [])


def test_system_and_history_stand_before_the_pair(read_rows):
    row = PAIRS["alpaca"] | {"system": "S", "history": [["Hi", "Hello"]]}
    (record,), _ = read_rows([row])
    assert [m.content for m in record.messages] == ["S", "Hi", "Hello", ASKED, LIKED]


@pytest.mark.parametrize(
    ("change", "reason", "detail"),
    [
        ({"rejected": ""}, "missing_answer", "'rejected' is empty; a pair needs two answers"),
        ({"chosen": None}, "missing_answer", "'chosen' is empty"),
        ({"chosen": 5}, "missing_answer", "'chosen' is neither text nor a turn"),
        ({"rejected": LIKED}, "same_answers", "are the same text; nothing is preferred"),
        ({"prompt": ""}, "missing_prompt", "no user turn comes before the answer"),
        (
            {"chosen": WHOLE, "rejected": [turn("user", "Other?"), turn("assistant", DISLIKED)]},
            "different_prompts",
            "'chosen' and 'rejected' answer different prompts",
        ),
        ({"chosen": [turn("user", ASKED)]}, "missing_answer", "last turn is not the assistant's"),
    ],
)
def test_a_pair_that_prefers_nothing_is_a_drop(read_rows, change, reason, detail):
    records, (drop,) = read_rows([PAIRS["texts"], PAIRS["texts"] | change])
    assert (len(records), drop.reason) == (1, reason)
    assert detail in drop.detail


@pytest.mark.parametrize("label", [True, False, "true", "False"])
@pytest.mark.parametrize("key", ["label", "kto_tag"])
@pytest.mark.parametrize(
    "row",
    [
        {"messages": WHOLE},
        {"conversations": [said("human", ASKED), said("gpt", LIKED)]},
        {"prompt": ASKED, "completion": LIKED},
        {"instruction": ASKED, "output": LIKED},
    ],
)
def test_a_label_beside_a_conversation_is_kto(read_rows, row, key, label):
    (record,), _ = read_rows([row | {key: label}])
    assert record.is_desirable == (str(label).lower() == "true")
    assert (record.prompt_text, record.reference, record.rejected) == (ASKED, LIKED, None)


def test_a_class_name_is_no_label(read_rows):
    (record,), _ = read_rows([{"messages": WHOLE, "label": "Arbitration"}])
    assert record.is_desirable is None


def test_a_label_may_be_a_number_where_the_format_is_named(read_rows):
    rows = [{"messages": WHOLE, "label": label} for label in (1, 0, 2)]
    records, (drop,) = read_rows(rows, format="kto")
    assert [record.is_desirable for record in records] == [True, False]
    assert drop.detail.startswith("the label is 2, not true or false")
