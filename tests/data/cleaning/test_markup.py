import pytest

from tuneline.data.cleaning.markup import is_about_markup, mend_html


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("停放的&ldquo;哈X&rdquo;牌车", "停放的“哈X”牌车"),
        ("R&amp;amp;B &#8212; &#x4e2d;", "R&B — 中"),
        ("律师解答<p>可以退费。</p>", "律师解答\n可以退费。\n"),
        ("<span style=\"color:red\">《民法典》</span>第一条", "《民法典》第一条"),
        ("§3301. Rate of tax <br>  <br/>There", "§3301. Rate of tax \n\nThere"),
        ('see <a href="https://x.test/">the <b>act</b></a>', "see the act"),
    ],
)  # fmt: skip
def test_web_page_leftovers_become_text(text, expected):
    once = mend_html(text)
    assert mend_html(once) == mend_html(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "《民法典》<解释>〈一〉",
        "[正确答案]A<eoa>",
        "if a < b and c > d: x<y>z",
        "AT&T; Q&A, R&D &unknownthing; & ;",
        "vector<int> List<String> <MASK>",
        "x<sup>2</sup> + H<sub>2</sub>O",
        "1 <b and b> 0",
        '{"name": "&quot;quoted&quot;", "html": "<p>"}',
    ],
)
def test_what_only_looks_like_markup_stays(text):
    assert mend_html(text) == text


def test_a_record_about_markup_is_known_by_its_words():
    assert is_about_markup(["What does the <p> tag do in HTML?", "It opens a paragraph."])
    assert is_about_markup(["写一段网页", "<div>好</div>"])
    assert is_about_markup(["Q", "```\n<p>\n```"])
    assert not is_about_markup(["合同何时生效？", "<p>依法成立时</p>"])
