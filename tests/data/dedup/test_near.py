import itertools

import numpy as np
import pytest

from tuneline.data.dedup import near
from tuneline.data.dedup.near import components, first_matches
from tuneline.data.dedup.scratch import Scratch
from tuneline.data.dedup.shingles import concatenate, sketch

CLAUSE = (
    "The Company may terminate or suspend your access to the Service at any time without notice "
    "and without liability for any reason whatsoever including breach of these Terms"
)
ARTICLE = (
    "当事人一方不履行合同义务或者履行合同义务不符合约定的"
    "应当承担继续履行采取补救措施或者赔偿损失等违约责任"
)


def edited(random, n_words, n):
    """Variants of n texts with 0 to 10 of 40 words replaced."""
    texts = []
    for _ in range(n):
        base = random.integers(0, n_words, 40)
        for n_edits in (0, 1, 2, 5, 10):
            copy = base.copy()
            copy[random.choice(40, n_edits, replace=False)] = random.integers(0, n_words, n_edits)
            texts.append(" ".join(f"w{number}" for number in copy))
    return texts


def all_pairs(texts, threshold):
    """Pairs of texts by sets of neighbouring words, every one compared with every other."""
    sets = [set(itertools.pairwise(text.split())) for text in texts]
    return [
        (i, j)
        for i, j in itertools.combinations(range(len(texts)), 2)
        if len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= threshold
    ]


def roots_of(pairs, n):
    parent = list(range(n))

    def find(i):
        while parent[i] != i:
            i = parent[i]
        return i

    for i, j in pairs:
        one, other = find(i), find(j)
        parent[max(one, other)] = min(one, other)
    return [find(i) for i in range(n)]


@pytest.fixture(params=["with prefix filter", "bands alone"])
def way(request, monkeypatch):
    """With the prefix filter, as in small data, and by MinHash bands alone, as in large data."""
    if request.param == "bands alone":
        monkeypatch.setattr(near, "EXACT_UP_TO", 0)


@pytest.mark.usefixtures("way")
def test_components_are_those_of_comparing_all_with_all():
    texts = edited(np.random.default_rng(7), 300, 60)
    pairs = all_pairs(texts, 0.7)
    assert len(pairs) > 100
    assert components(sketch(texts, 0.7), 0.7).tolist() == roots_of(pairs, len(texts))


@pytest.mark.usefixtures("way")
def test_matches_between_two_sets_are_those_of_comparing_all_with_all():
    texts = edited(np.random.default_rng(8), 300, 60)
    left, right = texts[:150], texts[150:]
    expected = {i for i, j in all_pairs(texts, 0.7) if i < 150 <= j}
    found = first_matches(sketch(left, 0.7), sketch(right, 0.7), 0.7)
    assert set(np.flatnonzero(found >= 0).tolist()) == expected
    pairs = set(all_pairs(texts, 0.7))
    assert all((i, j + 150) in pairs for i, j in enumerate(found.tolist()) if j >= 0)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("text", "near_text", "far"),
    [
        (CLAUSE, CLAUSE.replace("whatsoever", "at all"), CLAUSE[::-1]),
        (ARTICLE, ARTICLE.replace("等违约", "的违约"), ARTICLE[::2]),
        (f"NDA {ARTICLE} {CLAUSE}", f"NDA {ARTICLE}, {CLAUSE.lower()}.", CLAUSE),
    ],
)
def test_near_duplicates_are_found_in_english_chinese_and_mixed_text(text, near_text, far):
    assert components(sketch([text, far, near_text], 0.8), 0.8).tolist() == [0, 1, 0]


def test_answers_have_to_be_near_too_where_they_are_given():
    texts, answers = sketch([CLAUSE, f"{CLAUSE} now"], 0.8), sketch(["Yes", "No"], 0.8)
    assert components(texts, 0.8).tolist() == [0, 0]
    assert components(texts, 0.8, answers).tolist() == [0, 1]


@pytest.mark.usefixtures("way")
def test_many_texts_of_one_template_are_compared_exactly_and_do_not_collapse():
    template = "Does this clause of the contract limit the liability of the seller or the buyer: "
    texts = [f"{template} clause {i} {i * 7} {i * 13}" for i in range(600)]
    texts += [texts[17] + " indeed", texts[400] + " indeed"]
    found = components(sketch(texts, 0.9), 0.9).tolist()
    assert found == roots_of(all_pairs(texts, 0.9), len(texts))


@pytest.mark.usefixtures("way")
def test_thousands_of_copies_of_one_text_are_one_component():
    texts = [f"{CLAUSE} {ARTICLE}", "another text of law"] * 1000
    assert components(sketch(texts, 0.8), 0.8).tolist() == [0, 1] * 1000


@pytest.mark.usefixtures("way")
def test_sketches_in_files_give_what_those_in_memory_give(tmp_path, monkeypatch):
    monkeypatch.setattr(near, "ENTRIES", 8)  # keys are compared, and memory given back, in slices
    texts = edited(np.random.default_rng(9), 300, 60)
    here, scratch = sketch(texts, 0.7), Scratch(tmp_path, max_bytes=0)
    there = concatenate([here], scratch)
    assert components(there, 0.7).tolist() == components(here, 0.7).tolist()
    assert components(there, 0.7, there).tolist() == components(here, 0.7, here).tolist()
    rows = np.random.default_rng(1).permutation(len(texts))
    (left, right), (one, other) = (
        (sets.take(rows[:150]), sets.take(rows[150:])) for sets in (there, here)
    )
    assert first_matches(left, right, 0.7).tolist() == first_matches(one, other, 0.7).tolist()


def test_no_texts_have_no_components_and_no_matches():
    nothing, one = sketch([], 0.8), sketch(["a"], 0.8)
    assert components(nothing, 0.8).shape == (0,)
    assert first_matches(one, nothing, 0.8).tolist() == [-1]
    assert first_matches(nothing, one, 0.8).shape == (0,)
