"""Citations of statutes against a table of the articles that exist."""

import gzip
import json
from pathlib import Path

import pytest

from tuneline.errors import EvaluationError
from tuneline.evaluation.citations import citations, count_citations, score_citations
from tuneline.evaluation.statutes import load_statutes

ROWS = [
    ("中华人民共和国民法典", "第十条", "现行有效"),
    ("中华人民共和国民法典", "第五百七十七条", "现行有效"),
    ("中华人民共和国民法典", "第五百七十八条", "现行有效"),
    ("中华人民共和国刑法", "第一百三十三条之一", "已被修改"),
    ("中华人民共和国仲裁法", "第五条", "现行有效"),
    ("中华人民共和国仲裁法（2017年修正）", "第五条", "历史版本"),
    ("中华人民共和国合同法", "第五十二条", "已废止"),
    ("中华人民共和国劳动合同法", "第十条", "现行有效"),
    ("关于法律解释的决定", "全文", "现行有效"),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keys = ("law_name", "article_no", "status")
    lines = [json.dumps(dict(zip(keys, row, strict=True)), ensure_ascii=False) for row in ROWS]
    path = tmp_path_factory.mktemp("statutes") / "articles.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "根据《中华人民共和国民法典》第五百七十七条、第578条第二款和第9条的规定",
            ["577 exists", "578 exists", "9 no such article"],
        ),
        ("《民法典》第577、578条", ["577 exists", "578 exists"]),
        ("依照民法典第１０条", ["10 exists"]),
        ("《刑法》第一百三十三条之一", ["133-1 exists"]),
        ("《仲裁法》第五条，依照该法第六条", ["5 exists", "6 no such article"]),
        ("《合同法》第五十二条", ["52 repealed"]),
        ("根据劳动合同法第十条", ["10 exists"]),
        ("《公司法》第三条", ["3 unknown law"]),
        ("《民法典》第十条规定甲方有义务。第五百七十七条规定违约责任", ["10 exists", "577 exists"]),
        ("《民法典》施行后，双方签订的合同第三条约定", []),
        ("本合同第三条，本法第五条", []),
        ("刑法第十千条", ["-1 no such article"]),
        ("No citation here, article 5 of the Act.", []),
    ],
)
def test_cited_articles_and_what_the_table_says_of_them(table: Path, text: str, found: list[str]):
    assert [f"{c.article} {c.verdict}" for c in citations(text, load_statutes(table))] == found


def test_another_law_whose_name_ends_like_a_known_one_is_unknown(table: Path):
    """技术合同法 is not 合同法."""
    [citation] = citations("依据技术合同法第五十二条", load_statutes(table))
    assert (citation.law, citation.verdict) == ("依据技术合同法", "unknown law")


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        ("《民法典》第577条", 1.0),
        ("《民法典》第577条和第9条", 1 / 2),
        ("《合同法》第五十二条", 0.0),
        ("《民法典》第577条，《公司法》第三条", 1.0),
        ("《公司法》第三条", None),
        ("应当承担违约责任。", 0.0),
        ("", 0.0),
    ],
)
def test_unknown_laws_are_not_judged_and_missing_citations_are(
    table: Path, prediction: str, expected: float | None
):
    reference = "《民法典》第五百七十七条"
    assert score_citations([prediction], [reference], load_statutes(table)) == [expected]
    assert score_citations([""], ["No law is needed."], load_statutes(table)) == [None]


def test_citations_are_counted_by_verdict(table: Path):
    texts = ["《民法典》第577条、第9条", "《公司法》第三条，《民法典》第10条"]
    assert count_citations(texts, load_statutes(table)) == {
        "exists": 2,
        "no such article": 1,
        "unknown law": 1,
    }


def test_a_gzipped_table_is_read_and_has_another_digest(table: Path, tmp_path: Path):
    zipped = tmp_path / "articles.jsonl.gz"
    zipped.write_bytes(gzip.compress(table.read_bytes()))
    plain, read = load_statutes(table), load_statutes(zipped)
    assert read.articles == plain.articles
    assert read.digest != plain.digest


def test_a_wrong_table_is_refused_with_file_and_line(tmp_path: Path):
    path = tmp_path / "articles.jsonl"
    path.write_text('{"law_name": "民法典", "article_no": "第一条", "status": "现行有效"}\n{}\n')
    with pytest.raises(EvaluationError, match=r"articles\.jsonl:2: .* needs law_name"):
        load_statutes(path)
    with pytest.raises(EvaluationError, match=r"missing\.jsonl cannot be read"):
        load_statutes(tmp_path / "missing.jsonl")
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(EvaluationError, match=r"bad\.jsonl\.gz is no text"):
        load_statutes(tmp_path / "bad.jsonl.gz")


def test_the_shipped_table_has_articles_in_force_and_repealed_ones():
    statutes = load_statutes(Path("examples/statutes/civil_code.jsonl"))
    assert len(statutes.articles["民法典"]) == 1260
    assert statutes.look_up("中华人民共和国民法典", "1260") == "exists"
    assert statutes.look_up("民法典", "1261") == "no such article"
    assert statutes.look_up("农村土地承包法", "1") == "repealed"
    assert statutes.look_up("刑法", "1") == "unknown law"
