import pytest

from tuneline.data.cleaning.mojibake import find_mojibake, mend_mojibake

SENTENCE = "根据《合同法》的规定，当事人应当履行义务。"
REAL = [
    "驾驶沪Ｃ×××××“依维柯”汽车，由田四×“罚款”700元后离开。",
    "犯××罪、××××、××××××之规定，温度为13°C，§ 5·2 ±1 «oui» ½",
    "Les parties à l'accord: été, déjà, Überweisung, señor, naïve café",
    "被告人娄某、鄢某与濮阳市浣溪宾馆、鑫鑫公司签订合同",
    "鐵路、銅、鋼鐵、鍾、鎮、針對、錯誤等繁體字",
    "Договор вступает в силу",
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("her fiancÃ© Cal", "her fiancé Cal"),
        ("the world\x92s \x93Company\x94", "the world’s “Company”"),
        ("and so on\x85", "and so on…"),
        ("Ocean â\x80\x94 in", "Ocean — in"),
        (SENTENCE.encode().decode("latin-1"), SENTENCE),
        ("中文 fiancÃ©", "中文 fiancé"),
    ],
)
def test_utf8_in_disguise_becomes_what_it_was(text, expected):
    assert mend_mojibake(text) == expected


@pytest.mark.parametrize("text", [*REAL, SENTENCE, "“curly” ‘quotes’", "ﬁ Ａ"])
def test_real_text_is_neither_mended_nor_found_broken(text):
    assert mend_mojibake(text) == text
    assert find_mojibake(text) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("签订锟斤拷锟斤拷合同", 2),
        ("数据：烫烫烫烫烫", 3),
        ("鍚堝悓", 0),
        ("ºÏÍ¬", 0),
        (SENTENCE.encode().decode("gbk", "replace"), 0),
        ("法院认为：" + SENTENCE.encode("gbk").decode("latin-1"), 5),
    ],
)
def test_gbk_in_disguise_is_found_and_not_guessed_at(text, at):
    assert find_mojibake(text) == at
