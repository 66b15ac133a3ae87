import pytest

from tuneline.data.cleaning.repetition import find_repetition
from tuneline.records import Message, Record


def found(answer):
    record = Record((Message("user", "Q"), Message("assistant", answer)), "s", "f", 1)
    return find_repetition(record)


@pytest.mark.parametrize(
    ("answer", "detail", "at"),
    [
        ("本合同自签订之日起生效。" * 12, "12 characters are said 12 times over", 0),
        ("哈" * 150, "1 characters are said 150 times over", 0),
        ("The clause is fair because " + "it is fair and " * 20, "15 characters", 26),
        ("no, " * 40 + "so the answer is no in the end, as was said above.", "4 characters", 0),
    ],
)
def test_an_answer_that_runs_in_a_loop_is_found(answer, detail, at):
    words, place = found(answer)
    assert words.startswith(detail)
    assert place == at


@pytest.mark.parametrize(
    "answer",
    [
        "盗窃;盗窃;盗窃",
        "Yes " * 10,
        "\n".join(f"{n}. 被告人应当赔偿损失。" for n in range(1, 40)),
        "| a | b |\n|" + "-" * 200 + "|\nsome text",
        "姓名：" + "_" * 200,
        "犯" + "×" * 200 + "罪",
        "".join(chr(0x4E00 + n) for n in range(500)),
        "Row, row, row your boat, gently down the stream. " * 3 + "Life is but a dream. " * 4,
    ],
)
def test_labels_lists_rulers_and_refrains_are_no_loops(answer):
    assert found(answer) is None
