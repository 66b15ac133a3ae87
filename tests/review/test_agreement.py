import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from tuneline.review.agreement import OUTCOMES, agree, majority, wilson, win_rate

OUTCOME = st.sampled_from(OUTCOMES)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_without_ties_the_interval_is_wilsons_as_scipy_has_it(k_n):
    k, n = k_n
    expected = binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert wilson(k / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_ties_count_half_and_several_reviewers_of_a_pair_once():
    rate = win_rate(
        {"p1": ["candidate", "candidate", "baseline"], "p2": ["same"], "p3": ["both_bad"]}
    )
    # by hand: (2/3 + 1/2 + 1/2) / 3
    assert rate.value == pytest.approx(5 / 9)
    assert (rate.n, rate.wins, rate.losses, rate.same, rate.both_bad) == (3, 2, 1, 1, 1)
    assert rate.verdict == "cannot tell"


@pytest.mark.parametrize(
    ("n_wins", "verdict"), [(29, "better"), (1, "worse"), (17, "cannot tell"), (15, "cannot tell")]
)
def test_a_winner_is_named_only_beyond_doubt(n_wins, verdict):
    said = ["candidate"] * n_wins + ["baseline"] * (30 - n_wins)
    assert win_rate({f"p{i}": [one] for i, one in enumerate(said)}).verdict == verdict


@given(st.lists(st.tuples(OUTCOME, OUTCOME), min_size=1, max_size=40))
def test_kappa_equals_scikit_learns(outcomes):
    found = agree("ann", "bo", outcomes)
    if found.kappa is None:
        assert len({outcome for pair in outcomes for outcome in pair}) == 1
        return
    first, second = zip(*outcomes, strict=True)
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second, labels=OUTCOMES))


def test_the_interval_of_kappa_holds_it_and_narrows_with_more_pairs():
    few = [("candidate", "candidate"), ("baseline", "baseline"), ("tie", "candidate")] * 10
    found, more = agree("a", "b", few), agree("a", "b", few * 10)
    assert found.kappa_low < found.kappa < found.kappa_high
    assert more.kappa_high - more.kappa_low < (found.kappa_high - found.kappa_low) / 2


def test_two_who_always_give_one_verdict_have_no_kappa():
    found = agree("ann", "bo", [("tie", "tie")] * 5)
    assert (found.share, found.kappa, found.kappa_low) == (1.0, None, None)


def test_the_majority_of_a_draw_is_a_tie():
    assert majority(["candidate", "baseline"]) == "tie"
    assert majority(["candidate", "tie", "tie"]) == "candidate"
    assert majority(["baseline", "baseline", "candidate"]) == "baseline"
