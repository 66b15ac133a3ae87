from tests.reporting.examples import scores
from tuneline.reporting.answers import LIMITS, MAX_CHARS, choose_rows


def test_losses_come_first_the_largest_before_the_others():
    tables = scores(
        base=[("a", 1.0), ("b", 1.0), ("c", 0.0), ("d", 0.5)],
        candidate=[("a", 0.5), ("b", 0.0), ("c", 1.0), ("d", 0.5)],
    )
    rows = choose_rows(tables, "candidate", "base")
    assert [(row.digest, row.group) for row in rows] == [
        ("d1", "worse"), ("d0", "worse"), ("d2", "better"), ("d3", "same"),
    ]  # fmt: skip
    assert list(rows[0].answers) == ["base", "candidate"]


def test_no_answer_is_worse_than_one_and_its_score_is_none():
    tables = scores(base=[("a", 0.0), (None, None)], candidate=[(None, None), (None, None)])
    lost, both = choose_rows(tables, "candidate", "base")
    assert (lost.group, both.group) == ("worse", "same")
    assert (lost.answers["candidate"].text, lost.answers["candidate"].score) == (None, None)


def test_of_many_rows_a_few_of_each_group_are_shown():
    tables = scores(base=[("a", 1.0)] * 50 + [("a", 0.0)] * 50, candidate=[("b", 0.5)] * 100)
    groups = [row.group for row in choose_rows(tables, "candidate", "base")]
    assert groups == ["worse"] * LIMITS["worse"] + ["better"] * LIMITS["better"]


def test_what_must_not_be_shown_is_hidden_before_a_text_is_cut():
    tables = scores(base=[("a", 0.0)], candidate=[("secret" * MAX_CHARS, 0.0)])
    rows = choose_rows(tables, "candidate", "base", lambda text: text.replace("secret", "***"))
    assert rows[0].answers["candidate"].text == "*" * MAX_CHARS + "…"
