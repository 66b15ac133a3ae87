import datetime

import pytest

from tuneline.data.cleaning.config import CleaningConfig
from tuneline.data.cleaning.masking import mask_drop
from tuneline.data.drops import Drop

PHONE, MASKED = "13812345678", "13*******78"
PROTECTED = CleaningConfig(rules={"email": "redact"})


def drop(row, detail="detail"):
    return Drop("s", "f.jsonl:7", "formats", "wrong_type", detail, row, "d" * 64)


def masked(row, config=PROTECTED):
    return mask_drop(drop(row), config).row


@pytest.mark.parametrize("action", ["redact", "drop"])
@pytest.mark.parametrize("rule", ["email", "phone"])
def test_one_protected_rule_masks_all_personal_data_in_row_and_detail(rule, action):
    row = {"a": [f"打{PHONE}", {"b": ("li.si@example.com", 7)}], "digest": "0" * 64, "c": None}
    found = mask_drop(drop(row, f"it is {PHONE}"), CleaningConfig(rules={rule: action}))
    assert found.row["a"] == [f"打{MASKED}", {"b": ["li.**@*********om", 7]}]
    assert (found.row["digest"], found.row["c"]) == ("0" * 64, None)
    assert found.detail == f"it is {MASKED}"
    assert (found.place, found.reason, found.duplicate_of) == ("f.jsonl:7", "wrong_type", "d" * 64)


@pytest.mark.parametrize("rules", [{}, {"phone": "off"}, {"nfc": "off", "refusal": "drop"}])
def test_without_a_protected_rule_a_drop_stays_the_same_object(rules):
    given = drop({"a": PHONE})
    assert mask_drop(given, CleaningConfig(rules=rules)) is given


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (f'{{"a": "打\\n{PHONE}"', f'{{"a": "打\\n{MASKED}"'),
        (f'{{"a": "\\u624b\\u673a{PHONE}"', f'{{"a": "\\u624b\\u673a{MASKED}"'),
        (f'{{"a": {PHONE}', f'{{"a": {MASKED}'),
        ("138\u200b12345678", MASKED),
        ("bob.smith&#64;example.com", "bob******@*********om"),
        ({"phone": int(PHONE)}, {"phone": MASKED}),
        ({PHONE: "a header that is a row"}, {MASKED: "a header that is a row"}),
        ({"raw": PHONE.encode()}, {"raw": MASKED}),
    ],
)
def test_values_are_hidden_however_the_row_spells_them(row, shown):
    assert masked(row) == shown


@pytest.mark.parametrize(
    "row",
    [
        '{"a": "C:\\new\\1381234"',
        {"n": 138123456789, "is": True, "x": 0.5, "html": "<p>a&amp;b"},
        [datetime.date(2026, 1, 2)],
        None,
        "",
    ],
)
def test_rows_without_personal_data_stay_as_they_are(row):
    assert masked(row) == row


def test_a_row_that_nests_deep_is_masked_in_short():
    row = [PHONE]
    for _ in range(900):
        row = [row]
    found = masked({"a": f"打{PHONE}", "deep": row})
    assert MASKED in found
    assert PHONE not in found
