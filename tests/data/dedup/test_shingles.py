import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneline.data.dedup import kernels
from tuneline.data.dedup.characters import character_table
from tuneline.data.dedup.shingles import (
    N_PERMUTATIONS,
    concatenate,
    jaccard,
    rehash,
    rows_per_band,
    sketch,
)
from tuneline.data.memory import SHINGLES
from tuneline.records import comparison_text


def similarity(first: str, second: str) -> float:
    return float(jaccard(sketch([first, second], 0.7), np.array([[0, 1]]))[0])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("the cat sat", "the cat ran", 1 / 3),  # the-cat | cat-sat, cat-ran
        ("合同法律", "合同法院", 2 / 4),  # 合同, 同法 | 法律, 法院
        ("签署NDA协议", "签署NDA文件", 2 / 6),  # 签署, 署-nda | nda-协, 协议, nda-文, 文件
        ("Hello, World of law!", "hello world of law", 1.0),
        ("合同，自成立。", "合同自成立", 1.0),
        ("ＡＢＣ law ｆｉｒｍ", "abc law firm", 1.0),  # full width is compared as half width
        ("so…it ended", "so it ended", 1.0),
        ("cafe\u0301 au lait", "café au lait", 1.0),  # composed before it is compared
        ("1 + 1 =", "1 - 1 =", 1 / 5),
        ("a rate 1.5", "a rate 15", 1 / 3),
        ("a rate 1,000.5 b", "a rate 1 000 5 b", 1 / 7),
        ("yes", "no", 0.0),
        ("。", "？", 0.0),
        ("yes", "YES", 1.0),
    ],
)
def test_jaccard_equals_the_value_by_hand(first, second, expected):
    assert similarity(first, second) == pytest.approx(expected)


def test_short_texts_have_a_set_each_and_none_is_shared():
    sets = sketch(["是", "否", "Yes", "No", "", "+", "A", "B", "。", "？"], 0.7)
    pairs = np.array(list(itertools.combinations(range(sets.n_texts), 2)))
    assert (sets.ends > sets.starts).all()
    assert (jaccard(sets, pairs) == 0).all()


TOKENS = st.sampled_from(["rent", "Rent", "deed", "合", "同", "约", "1", "1.5", "+", "<", "_", "é"])


def reference_pairs(text: str) -> set[tuple[str, str]]:
    """Neighbouring tokens by a regular expression, for the tokens above."""
    return set(itertools.pairwise(re.findall(r"[合同约]|\d+(?:\.\d+)+|[a-zé0-9]+|[+<_]", text)))


@settings(max_examples=200, deadline=None)
@given(st.lists(TOKENS, min_size=2, max_size=20), st.lists(TOKENS, min_size=2, max_size=20))
def test_jaccard_equals_that_of_sets_of_strings(first, second):
    one, other = " ".join(first), " ".join(second)
    a, b = (reference_pairs(comparison_text(text)) for text in (one, other))
    assert similarity(one, other) == pytest.approx(len(a & b) / len(a | b))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_like_itself_however_it_is_written(text):
    assert similarity(text, text) == 1.0
    assert similarity(text, comparison_text(text)) == 1.0


def test_the_table_compares_every_character_as_the_comparison_text_does():
    table = character_table()
    for char in "Aａ１①℡合体İßſΣ":
        compared = comparison_text(char)
        if len(compared) == 1:
            assert chr(table[ord(char)] >> 3) == compared


def test_minima_are_those_of_all_permutations_by_hand():
    sets = sketch(["the cat sat on the mat"], 0.7)
    factors = np.array([3, 5, 7, 11], dtype=np.uint32)
    shifts = np.array([1, 2, 3, 4], dtype=np.uint32)
    minima = [(sets.shingles * a + b).min() for a, b in zip(factors, shifts, strict=True)]
    bands = kernels.band_keys(sets.shingles, sets.starts, sets.ends, factors, shifts, 1)
    other = kernels.band_keys(
        np.array(minima, dtype=np.uint32), np.array([0]), np.array([4]),
        np.ones(4, dtype=np.uint32), np.zeros(4, dtype=np.uint32), 1,
    )  # fmt: skip
    assert bands.shape == (4, 1)
    assert len(set(bands.ravel().tolist())) == 4
    assert other.shape == (4, 1)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_a_pair_at_the_threshold_is_missed_at_most_twice_in_a_thousand(threshold):
    rows = rows_per_band(threshold)
    assert (1 - threshold**rows) ** (N_PERMUTATIONS // rows) <= 2e-3


def arrays(sketches):
    bands = np.stack(list(sketches.bands))
    return [
        sketches.shingles.tolist(),
        sketches.starts.tolist(),
        sketches.ends.tolist(),
        bands.tolist(),
    ]


def test_sketches_put_together_are_those_of_all_texts():
    texts = ["the rent is due", "the deed is void", "合同自成立时生效", "x"]
    whole = sketch(texts, 0.7)
    parts = concatenate([sketch(texts[:2], 0.7), sketch(texts[2:], 0.7)])
    assert arrays(parts) == arrays(whole)
    taken = parts.take(np.array([2, 0]))
    assert np.array_equal(np.stack(list(taken.bands)), np.stack(list(whole.bands))[:, [2, 0]])


def test_another_seed_gives_other_keys_of_the_same_sets():
    sets = sketch(["the rent is due on monday"], 0.7)
    other = rehash(sets, 0.7, seed=7)
    assert (other.shingles == sets.shingles).all()
    assert not any((a == b).any() for a, b in zip(other.bands, sets.bands, strict=True))


def test_known_shingles_never_change():
    # Written down on 2026-11-24. Domains remember shingles: where these change, raise
    # `memory.SHINGLES`, or old holdouts are compared with hashes that mean nothing.
    found = sketch(["The rent is due.", "租金到期"], 0.8).shingles.tolist()
    assert found == [440044487, 767175185, 4134273106, 1101774251, 1408620771, 1914827348]
    assert SHINGLES == "pairs-32-1"
