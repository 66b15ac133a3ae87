from tuneline.data import showing
from tuneline.data.drops import EXCERPT_CHARS
from tuneline.data.excerpts import excerpt, mark_changes, shorten
from tuneline.pages.revealing import reveal


def test_an_excerpt_is_the_last_question_and_answer_or_the_raw_row():
    turns = [{"content": text} for text in ("old", "old answer", "q\n\nq", "a" * 200)]
    assert excerpt({"messages": turns}) == f"q q → {'a' * 79}…"
    assert excerpt({"instruction": "押金"}) == '{"instruction": "押金"}'
    assert excerpt("{broken") == "{broken"
    assert excerpt({"messages": "text"}) == '{"messages": "text"}'
    assert excerpt(None) == "null"


def test_personal_data_of_dropped_rows_is_masked():
    assert "13812345678" not in shorten("请拨打 13812345678 联系")
    assert "13812345678" not in excerpt({"instruction": "电话 13812345678"})


def test_there_is_one_way_to_shorten_a_text():
    assert showing.shorten is shorten
    assert len(shorten("a " * 500)) == EXCERPT_CHARS


def test_marked_parts_join_to_both_texts():
    marked = mark_changes("<p>the court held</p>", "the court held")
    assert [tuple(part) for part in marked.before] == [
        ("<p>", True),
        ("the court held", False),
        ("</p>", True),
    ]
    assert [tuple(part) for part in marked.after] == [("the court held", False)]


def test_short_islands_between_changes_are_marked_with_them():
    marked = mark_changes("see 12-34 now", "see ab-cd now")
    assert [part.text for part in marked.before if part.is_changed] == ["12-34"]


def test_the_cut_end_of_an_excerpt_is_no_change():
    text = "".join(chr(0x4E00 + n) for n in range(200))
    marked = mark_changes(f"\u200b{text}"[:160], text[:160])
    assert [tuple(part) for part in marked.before if part.is_changed] == [(r"\u200b", True)]
    assert [part for part in marked.after if part.is_changed] == []


def test_unseen_characters_are_spelled_out():
    assert reveal("a\u202eb\x00") == r"a\u202eb\x00"
    assert reveal("é", is_changed=True) == "é"
    assert reveal("e\u0301 \n", is_changed=True) == r"e\u0301␣↵"
    assert reveal("👩\u200d⚖ a\n") == "👩\u200d⚖ a\n"
