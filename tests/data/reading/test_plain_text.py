import pytest

from tuneline.errors import DataError


def pairs(read_file, path):
    records, drops, opened = read_file(path)
    assert (opened.container, opened.format) == ("txt", "question_answer")
    return [(r.line, r.prompt_text, r.reference) for r in records], drops


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Q: Is it?\nA: Yes.\n\nQ: And that?\nA: No.\n",
            [(1, "Is it?", "Yes."), (4, "And that?", "No.")],
        ),
        ("Q: Is it? A: Yes.\nQ: And? A: No.", [(1, "Is it?", "Yes."), (2, "And?", "No.")]),
        (
            "问：什么？\n答：合同。\n问：谁？答：甲方。",
            [(1, "什么？", "合同。"), (3, "谁？", "甲方。")],
        ),
        ("问题1：什么？\r\n答案1：合同。\r\n", [(1, "什么？", "合同。")]),
        ("\n\nQuestion 1: a\nb\nAnswer 1: c\n\nd\n", [(3, "a\nb", "c\n\nd")]),
    ],
)
def test_questions_and_answers_are_found(read_file, write, text, expected):
    assert pairs(read_file, write(text, "rows.txt")) == (expected, [])


def test_text_is_known_without_its_extension(read_file, write):
    assert len(pairs(read_file, write("问：什么？\n答：合同。\n", "rows"))[0]) == 1


@pytest.mark.parametrize(
    ("text", "line", "reason", "detail"),
    [
        ("Some law.\nQ: a\nA: b", 1, "missing_prompt", "no question comes before this text; begin"),
        ("Q: a\nA: b\nQ: c\nQ: d\nA: e", 3, "missing_answer", "'answer' is empty"),
        ("Q: a\nA: b\nQ: c\nA: d\nA: e", 3, "roles_out_of_order", "two answers follow one quest"),
        ("Q: a\nA: b\nQ:\nA: d", 3, "missing_prompt", "'question' is empty"),
    ],
)
def test_a_block_that_is_no_pair_is_a_drop(read_file, write, text, line, reason, detail):
    found, (drop,) = pairs(read_file, write(text, "rows.txt"))
    assert len(found) == (1 if "Q: d" not in text else 2)
    assert (drop.place.rpartition(":")[2], drop.reason) == (str(line), reason)
    assert detail in drop.detail


def test_prose_is_refused(read_file, write):
    with pytest.raises(DataError, match=r"rows\.txt:1: no question comes before this text"):
        read_file(write("A long story.\nIt goes on.\n", "rows.txt"))
