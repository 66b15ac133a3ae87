import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneline.reporting.differences import Part, mark_differences, tokens

TEXT = st.text(alphabet="the cat sat 租金应当 按月，支付3.5%\n", max_size=60) | st.text(max_size=30)


@settings(deadline=None)  # the first Chinese text loads a dictionary
@given(TEXT)
def test_tokens_joined_are_the_text(text):
    assert "".join(tokens(text)) == text


@settings(deadline=None)
@given(TEXT, TEXT)
def test_the_marks_give_back_both_texts(answer, reference):
    parts = mark_differences(answer, reference)
    assert "".join(p.text for p in parts if p.kind != "missing") == answer
    if {p.kind for p in parts} != {"same"}:
        assert "".join(p.text for p in parts if p.kind != "extra") == reference


def test_chinese_is_compared_in_words_and_latin_script_in_words():
    assert tokens("承租人应当支付rent 3.5%") == [
        "承租人",
        "应当",
        "支付",
        "rent",
        " ",
        "3",
        ".",
        "5",
        "%",
    ]


@pytest.mark.parametrize(
    ("answer", "reference", "marked"),
    [
        ("承租人应当支付押金。", "承租人应当支付租金。", [
            Part("承租人应当支付", "same"), Part("租金", "missing"), Part("押金", "extra"),
            Part("。", "same"),
        ]),
        ("the big red cat", "the old cat", [
            Part("the ", "same"), Part("old", "missing"), Part("big red", "extra"),
            Part(" cat", "same"),
        ]),
        ("Yes", "No", [Part("No", "missing"), Part("Yes", "extra")]),
        ("", "", []),
    ],
)  # fmt: skip
def test_what_differs_is_marked_as_few_pieces(answer, reference, marked):
    assert mark_differences(answer, reference) == marked


def test_long_texts_with_little_in_common_are_left_unmarked():
    answer = "No, the sentence does not overrule an earlier decision; it is about jury trials."
    assert mark_differences(answer, "Yes") == [Part(answer, "same")]
