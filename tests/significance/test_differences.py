"""Intervals and verdicts against published values, the normal approximation, and no difference."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneline.significance import Certainty, judged_together, paired_difference, score

Z = 1.959963984540054
"""97.5 % quantile of the standard normal distribution."""


def binary(successes: int, n: int) -> list[float]:
    return [1.0] * successes + [0.0] * (n - successes)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, table I, method 3 (score, no correction).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # By hand: 0/n gives [0, z2/(n+z2)], n/n its mirror image, n/2n is centred on 1/2 with
        # half width z * sqrt(n/2 + z2/4) / (n + z2); z2 = 3.8415.
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
    ],
)
def test_wilsons_interval_equals_published_values(successes, n, low, high):
    result = score(binary(successes, n))
    assert result.value == successes / n
    assert (result.low, result.high) == pytest.approx((low, high), abs=6e-5)
    assert (result.n, result.n_unscored) == (n, 0)


def test_unscored_records_are_counted_and_are_no_zeros():
    result = score([1.0, None, 1.0, None])
    assert (result.value, result.n, result.n_unscored) == (1.0, 2, 2)
    with pytest.raises(ValueError, match="no record is scored"):
        score([None, None])
    with pytest.raises(ValueError, match="no record is scored"):
        score([])


def test_graded_scores_get_the_normal_interval_where_there_are_many():
    values = np.random.default_rng(3).beta(2, 5, 4000)
    half = Z * values.std() / math.sqrt(values.size)
    result = score(values.tolist())
    assert result.value == pytest.approx(values.mean())
    # The percentiles of 10,000 resamples are themselves off by about 2 % of the half width.
    assert result.low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert result.high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_a_paired_difference_gets_the_normal_interval_where_there_are_many():
    generator = np.random.default_rng(4)
    baseline = generator.random(3000)
    candidate = np.clip(baseline + generator.normal(0.01, 0.05, 3000), 0, 1)
    differences = candidate - baseline
    half = Z * differences.std() / math.sqrt(differences.size)
    result = paired_difference(candidate.tolist(), baseline.tolist())
    assert result.value == pytest.approx(differences.mean())
    assert result.low == pytest.approx(differences.mean() - half, abs=0.1 * half)
    assert result.high == pytest.approx(differences.mean() + half, abs=0.1 * half)
    assert result.verdict == "better"


def test_pairs_tell_apart_what_means_alone_cannot():
    """Records differ by 0.6, models by 0.01 on each: unpaired intervals would overlap."""
    baseline = [0.2, 0.8] * 50
    candidate = [b + 0.01 + 0.001 * (i % 3) for i, b in enumerate(baseline)]
    assert paired_difference(candidate, baseline).verdict == "better"
    assert paired_difference(baseline, candidate).verdict == "worse"
    assert score(candidate).low < score(baseline).high


def test_equal_answers_cannot_be_told_apart_and_rows_not_seen_may_differ():
    """By hand: nothing differs in 100 pairs, z2 / (n + z2) = 3.8415 / 103.8415 either way."""
    result = paired_difference([0.4, 0.9] * 50, [0.4, 0.9] * 50)
    assert (result.value, result.p_value, result.verdict) == (0.0, 1.0, "cannot tell")
    assert (result.low, result.high) == pytest.approx((-0.036994, 0.036994), abs=1e-6)


@pytest.mark.parametrize("n", [1, 3, 5])
def test_a_handful_of_records_cannot_tell_even_if_all_agree(n: int):
    """Sign test: all of n records better by chance, two-sided, is 2 / 2**n; 0.0625 at n = 5."""
    assert paired_difference([1.0] * n, [0.0] * n).verdict == "cannot tell"


def test_the_same_scores_give_the_same_interval_every_time():
    generator = np.random.default_rng(5)
    one, other = generator.random(50).tolist(), generator.random(50).tolist()
    assert paired_difference(one, other) == paired_difference(one, other)


def test_a_record_unscored_for_either_model_is_left_out_of_the_pair():
    result = paired_difference([1.0, None, 0.5, 0.0], [0.5, 0.0, None, 0.0])
    assert (result.n, result.value) == (2, 0.25)


def test_what_cannot_be_compared_is_an_error():
    with pytest.raises(ValueError, match="argument 2 is longer"):
        paired_difference([1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="no record is scored for both models"):
        paired_difference([1.0, None], [None, 1.0])
    with pytest.raises(ValueError, match="no record is scored for both models"):
        paired_difference([], [])


SCORES = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1).map(lambda x: round(x, 2)))
PAIRS = st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=25)


def difference_of(pairs, **options):
    candidate, baseline = zip(*pairs, strict=True)
    return paired_difference(candidate, baseline, **options)


@settings(max_examples=40)
@given(PAIRS, st.sampled_from([0.0, 0.05, -0.1]), st.randoms(use_true_random=False))
def test_swapping_the_models_negates_and_shuffling_the_rows_changes_nothing(pairs, than, random):
    result = difference_of(pairs, threshold=than)
    swapped = difference_of([(b, c) for c, b in pairs], threshold=-than)
    expected = (-result.value, -result.high, -result.low, result.p_value)
    assert (swapped.value, swapped.low, swapped.high, swapped.p_value) == pytest.approx(expected)
    opposite = {"better": "worse", "worse": "better", "cannot tell": "cannot tell"}
    assert swapped.verdict == opposite[result.verdict]
    shuffled = random.sample(pairs, len(pairs))
    assert difference_of(shuffled, threshold=than).p_value == pytest.approx(result.p_value)
    assert difference_of(shuffled, threshold=than).verdict == result.verdict


@settings(max_examples=40)
@given(PAIRS, SCORES)
def test_an_equal_pair_more_never_makes_a_p_value_smaller(pairs, value):
    before, after = difference_of(pairs), difference_of([*pairs, (value, value)])
    assert after.p_value >= before.p_value


def test_the_more_cautious_of_interval_and_p_value_decides():
    """Five wins of twenty: Tango's interval is above 0, and 2 / 2**5 = 0.0625 is not below 0.05."""
    result = paired_difference(binary(5, 20), binary(0, 20))
    assert result.low > 0
    assert (result.p_value, result.verdict) == (0.0625, "cannot tell")
    assert paired_difference(binary(6, 20), binary(0, 20)).verdict == "better"


def test_a_loss_within_the_margin_is_better_than_the_margin():
    baseline = binary(150, 300)
    candidate = [*baseline[:3], *binary(150, 297)]  # as good on the whole
    result = paired_difference(candidate, baseline, threshold=-0.05)
    assert (result.verdict, result.answer) == ("better", "better than -0.05")
    assert paired_difference(candidate, baseline).answer == "cannot tell"


def test_a_gain_within_the_noise_of_one_model_cannot_be_told():
    candidate, baseline = binary(30, 100), binary(10, 100)
    assert paired_difference(candidate, baseline).verdict == "better"
    assert paired_difference(candidate, baseline, noise=0.2).verdict == "cannot tell"
    assert paired_difference(candidate, baseline, noise=0.19).verdict == "better"


def test_what_is_detectable_does_not_depend_on_the_candidate():
    baseline = binary(40, 100)
    found = {
        paired_difference(candidate, baseline).detectable
        for candidate in (baseline, binary(90, 100), [None] * 99 + [1.0], [0.5] * 100)
    }
    assert len(found) == 1
    assert found.pop() == pytest.approx(0.15, abs=0.02)


def test_the_rows_that_are_missing_fall_with_the_gain_that_is_wanted_and_with_the_rows():
    baseline, candidate = binary(50, 100), [*binary(45, 50), *binary(10, 50)]
    small, large = (
        paired_difference(candidate, baseline, Certainty(wanted_gain=gain)).more_rows
        for gain in (0.05, 0.3)
    )
    assert small is not None
    assert (small > 100, large) == (True, 0)
    again = paired_difference(candidate * 2, baseline * 2, Certainty(wanted_gain=0.05))
    assert again.more_rows == pytest.approx(small - 100, abs=0.02 * small)


def test_one_of_many_chances_is_no_verdict():
    """Holm by hand: 0.03125 for one of two questions is 0.0625; alone it stays 0.03125."""
    six_won = paired_difference(binary(6, 20), binary(0, 20))
    equal = paired_difference(binary(3, 20), binary(3, 20))
    assert judged_together({"a": six_won})["a"].verdict == "better"
    together = judged_together({"a": six_won, "b": equal})
    assert (together["a"].p_adjusted, together["a"].verdict) == (0.0625, "cannot tell")
    assert together["a"].p_value == 0.03125


def test_intervals_follow_the_error_that_is_asked_for():
    wide, narrow = score(binary(50, 100), alpha=0.01), score(binary(50, 100), alpha=0.2)
    assert wide.low < narrow.low < narrow.high < wide.high
    strict = paired_difference(binary(6, 20), binary(0, 20), Certainty(alpha=0.01))
    assert strict.verdict == "cannot tell"
