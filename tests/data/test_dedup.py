import itertools
import re

import numpy as np
import pytest

from tuneline.data import minhash
from tuneline.data.config import NearDedupConfig
from tuneline.data.exact_dedup import drop_exact_duplicates
from tuneline.data.minhash import N_PERMUTATIONS, rows_per_band
from tuneline.data.near_dedup import drop_near_duplicates, near_duplicates
from tuneline.data.shingles import jaccard, shingle_sets
from tuneline.data.splitting import position
from tuneline.records import Message, Record

CLAUSE = (
    "The Company may terminate or suspend your access to the Service at any time without notice "
    "and without liability for any reason whatsoever including breach of these Terms"
)
ARTICLE = (
    "当事人一方不履行合同义务或者履行合同义务不符合约定的"
    "应当承担继续履行采取补救措施或者赔偿损失等违约责任"
)


def record(prompt, answer, line=1, group=None):
    messages = (Message("user", prompt), Message("assistant", answer))
    return Record(messages, "s", "f.jsonl", line, group)


def reference_jaccard(first, second):
    """Sets of neighbouring token pairs, by hand, for words and Han characters only."""

    def pairs(text):
        return set(itertools.pairwise(re.findall(r"[一-鿿]|[a-z0-9]+", text.lower())))

    a, b = pairs(first), pairs(second)
    return len(a & b) / len(a | b)


def similarity(first, second):
    return float(jaccard(shingle_sets([first, second]), np.array([[0, 1]]))[0])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("the cat sat", "the cat ran", 1 / 3),  # the-cat | cat-sat, cat-ran
        ("合同法", "合同书", 1 / 3),  # 合同 | 同法, 同书
        ("签署NDA协议", "签署NDA文件", 2 / 6),  # 签署, 署-nda | nda-协, 协议, nda-文, 文件
        ("Hello, World!", "hello world", 1.0),
        ("合同，成立。", "合同成立", 1.0),
        ("1 + 1", "1 - 1", 0.0),
        ("rate 1.5", "rate 15", 0.0),
        ("yes", "no", 0.0),
        ("。", "？", 0.0),
        ("yes", "YES", 1.0),
    ],
)
def test_jaccard_equals_the_value_by_hand(first, second, expected):
    assert similarity(first, second) == pytest.approx(expected)


def test_short_texts_have_a_shingle_each_and_none_is_shared():
    sets = shingle_sets(["是", "否", "Yes", "No", "", "+", "A", "B"])
    assert sets.sizes.tolist() == [1] * 8
    assert len(set(sets.hashes.tolist())) == 8


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        (CLAUSE, CLAUSE.replace("whatsoever", "at all"), CLAUSE[::-1]),
        (ARTICLE, ARTICLE.replace("等违约", "的违约"), ARTICLE[::2]),
        (f"NDA {ARTICLE} {CLAUSE}", f"NDA {ARTICLE}, {CLAUSE.lower()}.", CLAUSE),
    ],
)
def test_near_duplicates_are_found_in_english_chinese_and_mixed_text(text, near, far):
    found = near_duplicates([text, far, near], None, 0.8)
    assert found.pairs.tolist() == [[0, 2]]
    assert found.jaccard[0] == pytest.approx(reference_jaccard(text, near))
    assert near_duplicates([far, near], [far, text], 0.8).pairs.tolist() == [[0, 0], [1, 1]]


def test_texts_that_share_all_words_in_another_order_are_not_near():
    assert (
        near_duplicates(["pay rent to the owner now", "now owner the to rent pay"], None, 0.5)[
            0
        ].tolist()
        == []
    )


def _edited(rng, words, n):
    """Variants of n texts with 0 to 10 of 40 words replaced."""
    texts = []
    for _ in range(n):
        base = rng.integers(0, words, 40)
        for n_edits in (0, 1, 2, 5, 10):
            copy = base.copy()
            copy[rng.choice(40, n_edits, replace=False)] = rng.integers(0, words, n_edits)
            texts.append(" ".join(f"w{number}" for number in copy))
    return texts


@pytest.mark.parametrize("max_bucket", [50, 2])
def test_pairs_are_exactly_those_of_comparing_all_with_all(monkeypatch, max_bucket):
    # The band settings miss less than one pair in a million, so equality is the right claim.
    monkeypatch.setattr(minhash, "MAX_BUCKET", max_bucket)
    texts = _edited(np.random.default_rng(7), 300, 60)
    every = itertools.combinations(range(len(texts)), 2)
    expected = [[i, j] for i, j in every if reference_jaccard(texts[i], texts[j]) >= 0.7]
    assert len(expected) > 100
    assert near_duplicates(texts, None, 0.7).pairs.tolist() == expected
    left, right = texts[:150], texts[150:]
    crossing = [[i, j - 150] for i, j in expected if i < 150 <= j]
    assert near_duplicates(left, right, 0.7).pairs.tolist() == crossing


def test_one_template_over_many_texts_makes_few_candidates():
    template = "Does this clause of the contract limit the liability of the seller or the buyer: "
    texts = [f"{template} clause {i} {i * 7} {i * 13}" for i in range(600)]
    assert len(minhash.candidate_pairs(shingle_sets(texts), 0.8)) < 1000  # of 179,700
    assert near_duplicates(texts, None, 0.9).pairs.tolist() == []


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8, 0.9, 1.0])
def test_a_pair_at_the_threshold_is_missed_less_than_once_in_a_million(threshold):
    rows = rows_per_band(threshold)
    assert N_PERMUTATIONS % rows == 0
    assert (1 - threshold**rows) ** (N_PERMUTATIONS // rows) < 1e-6


def test_no_texts_have_no_pairs():
    assert near_duplicates([], None, 0.8).pairs.shape == (0, 2)
    assert near_duplicates(["a"], [], 0.8).pairs.shape == (0, 2)


def test_of_exact_copies_the_one_with_the_smallest_position_stays():
    copies = [record("Q", "A", line, group) for line, group in enumerate("abcdef")]
    kept, drops = drop_exact_duplicates(copies)
    assert kept == [min(copies, key=position)]
    assert len(drops) == 5
    assert {(drop.reason, drop.duplicate_of) for drop in drops} == {("same_text", kept[0].digest)}
    assert drops[0].detail == f"reads the same as {kept[0].place}"


def test_of_a_chain_of_near_duplicates_one_stays_with_the_smallest_position():
    words = CLAUSE.split()
    chain = [record(" ".join(words[i:]), "Unilateral termination") for i in range(6)]
    kept, drops = drop_near_duplicates(chain, NearDedupConfig())
    assert kept == [min(chain, key=position)]
    assert {drop.duplicate_of for drop in drops} == {kept[0].digest}


def test_a_prompt_with_two_answers_is_a_conflict_and_both_stay():
    twins = [record(CLAUSE, "Yes"), record(CLAUSE, "No"), record(CLAUSE + " now", "Yes")]
    kept, _ = drop_near_duplicates(twins, NearDedupConfig())
    assert sorted(r.reference for r in kept) == ["No", "Yes"]


def test_short_records_with_the_same_label_neither_vanish_nor_collapse():
    shorts = [record(f"{n} 是质数吗？", "是") for n in (2, 3, 5, 7, 11, 13)]
    assert len(drop_near_duplicates(shorts, NearDedupConfig()).kept) == 6


def test_a_source_that_loses_most_of_its_rows_is_warned_of(caplog):
    drop_near_duplicates([record(f"{CLAUSE} {n}", "Yes") for n in range(4)], NearDedupConfig())
    assert "source=s dropped=3 of=4" in caplog.text
