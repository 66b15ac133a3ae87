from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneline.errors import ABTestError
from tuneline.release.ab.analysis import Facts, analyse, user_ratio
from tuneline.release.ab.assignment import assign
from tuneline.release.ab.config import ABTestConfig, parse_guardrail, parse_split
from tuneline.release.ab.decision import decide_ab_test
from tuneline.release.ab.outcomes import Outcomes, Row, frame_of, requests_of
from tuneline.release.ab.picture import draw_gain
from tuneline.release.ab.report import GuardrailStatus, Look, UserRatio

START = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 10
FACTS = Facts("lawyer", "ab-3", "v1.0-lawyer-20261001", "v1.1-lawyer-20261020", START)
RULES = ("p95_latency_s<=1.0", "error_rate<=0.01")


def config(**more):
    settings = {"metric": "thumbs_up", "min_effect": 0.05, "guardrails": RULES, "salt": "s"}
    return ABTestConfig(**{"challenger_share": 0.5, **settings, **more})


def traffic(n_users=3000, *, gain=0.0, slow=0.01, errors=0.001, lost=0.0, seed=0):
    """Two requests per user over ten days; the champion is at 0.5."""
    rng = np.random.default_rng(seed)
    for number in range(n_users):
        user = f"u{number}"
        is_challenger = assign("s", 0.5, user) == "challenger"
        if is_challenger and rng.random() < lost:
            continue
        for turn in range(2):
            yield Row(
                f"{user}-{turn}",
                user,
                START + timedelta(days=DAYS * rng.random()),
                None,
                {
                    "thumbs_up": float(rng.random() < 0.5 + is_challenger * gain),
                    "latency_s": 2.0 if rng.random() < slow else 0.5,
                    "error": float(rng.random() < errors),
                },
            )


def report_of(rows, settings=None, days=DAYS):
    settings = settings or config()
    now = START + timedelta(days=days)
    requests, counts = requests_of(
        Outcomes(frame_of(rows)), salt="s", challenger_share=0.5, start=START, end=now
    )
    return analyse(FACTS, settings, requests, counts, now)


@pytest.fixture(scope="module")
def better():
    return report_of(traffic(gain=0.15))


def test_a_gain_beyond_doubt_with_kept_guardrails_promotes(better):
    decision = decide_ab_test(better)
    assert decision.verdict == "promote"
    assert [guard.verdict for guard in better.guardrails] == ["pass", "pass"]
    assert 0 < better.now.low < 0.15 < better.now.high
    assert "better" in decision.reasons[0]
    assert decision.reasons[1].startswith("p95_latency_s<=1.0: pass (")


def test_the_report_counts_both_arms(better):
    assert better.challenger.users + better.champion.users == 3000
    assert better.challenger.requests == 2 * better.challenger.users
    assert better.challenger.value == pytest.approx(0.65, abs=0.03)
    assert better.requests_per_day == 600
    assert better.rows.n_used == 6000
    assert better.days_left == 0


def test_a_broken_guardrail_keeps_the_champion_whatever_the_gain():
    report = report_of(traffic(gain=0.15, slow=0.12))
    assert report.guardrails[0].verdict == "fail"
    assert report.guardrails[0].value == 2.0
    assert decide_ab_test(report).verdict == "keep"


def test_an_interval_below_the_smallest_effect_keeps_the_champion():
    report = report_of(traffic(gain=-0.1))
    assert report.now.high < 0.05
    assert decide_ab_test(report).verdict == "keep"


def test_a_gain_that_is_worse_where_lower_is_better_is_negative(better):
    turned = report_of(traffic(gain=0.15), config(lower_is_better=True))
    assert turned.now.gain == -better.now.gain
    assert decide_ab_test(turned).verdict == "keep"


def test_few_users_give_no_interval_and_no_verdict():
    report = report_of(traffic(40, gain=0.4))
    assert (report.now.low, report.days_left) == (None, None)
    assert decide_ab_test(report).verdict == "cannot tell"
    assert decide_ab_test(report).reasons[0].endswith("too few users for an interval")


def test_without_any_outcome_nobody_can_tell():
    report = report_of([])
    decision = decide_ab_test(report)
    assert decision.verdict == "cannot tell"
    assert decision.reasons == (
        "no request with 'thumbs_up' for both variants yet",
        "p95_latency_s<=1.0: cannot tell (no request has 'latency_s')",
        "error_rate<=0.01: cannot tell (no request has 'error')",
    )
    assert report.challenger.value is None


def test_lost_challenger_users_break_the_test_instead_of_deciding_it():
    report = report_of(traffic(gain=0.15, lost=0.3))
    decision = decide_ab_test(report)
    assert (decision.verdict, decision.is_broken) == ("cannot tell", True)
    assert "sample ratio mismatch" in decision.reasons[0]


def test_answers_of_the_wrong_variant_break_the_test(better):
    wrong = replace(better, rows=replace(better.rows, n_misassigned=200))
    assert decide_ab_test(wrong).is_broken
    few = replace(better, rows=replace(better.rows, n_misassigned=20))
    assert decide_ab_test(few).verdict == "promote"


def test_the_time_left_is_that_until_the_interval_is_as_wide_as_the_smallest_effect():
    """Half width 0.03 needs variance (0.03/3.03)^2; the present one comes from 6,000 requests."""
    report = report_of(traffic(), config(min_effect=0.03))
    needed = (0.03 / 3.03) ** 2
    expected = DAYS * (report.now.variance / needed - 1)
    assert report.days_left == pytest.approx(expected, rel=0.1)
    assert 5 < report.days_left < 15


def test_looks_are_what_was_known_at_their_time(better):
    half = report_of(traffic(gain=0.15), days=DAYS / 2)
    assert better.looks[29].measured == half.now.measured
    assert better.looks[29].gain == half.now.gain
    widths = [look.high - look.low for look in better.looks if look.low is not None]
    assert widths == sorted(widths, reverse=True)


def test_a_mean_and_a_field_that_is_no_rate_are_guarded():
    rules = ("mean_latency_s<=0.8", "mean_latency_s>=0.8", "latency_s_rate<=0.5")
    report = report_of(traffic(slow=0.1), config(guardrails=rules))
    assert [guard.verdict for guard in report.guardrails] == ["pass", "fail", "cannot tell"]
    assert "other values than 0 and 1" in report.guardrails[2].reason


def test_a_percentile_keeps_its_limit_where_the_share_beyond_does():
    """95 % lie at or below the 95th percentile, so `p95 <= x` bounds the share above x by 5 %."""
    rules = ("p95_latency_s<=1", "p90_latency_s>=1", "p50_latency_s>=1")
    report = report_of(traffic(slow=0.3), config(guardrails=rules))
    assert [guard.verdict for guard in report.guardrails] == ["fail", "pass", "fail"]
    assert [guard.value for guard in report.guardrails] == [2.0, 2.0, 0.5]


def test_no_error_at_all_passes_only_after_enough_users():
    few, many = (report_of(traffic(n, errors=0.0)).guardrails[1] for n in (400, 3000))
    assert (few.verdict, many.verdict) == ("cannot tell", "pass")


def test_a_ratio_of_users_is_judged_against_the_split():
    assert not user_ratio(480, 520, config()).is_wrong
    assert user_ratio(400, 600, config()).is_wrong
    assert user_ratio(0, 0, config()) == UserRatio(0.5, None, 1.0, False)


verdicts = st.sampled_from(["pass", "fail", "cannot tell"])


@given(st.floats(-1, 1), st.floats(0, 1), st.lists(verdicts, max_size=3), st.booleans())
def test_a_promotion_always_has_a_gain_kept_guardrails_and_a_right_ratio(
    better, low, width, guards, is_wrong
):
    report = replace(
        better,
        looks=(Look("", 9, low, low, low + width, 1.0),),
        guardrails=tuple(GuardrailStatus("r", verdict, "") for verdict in guards),
        ratio=UserRatio(0.5, 0.4, 1e-9, is_wrong),
    )
    verdict = decide_ab_test(report).verdict
    assert (verdict == "promote") == (
        low > 0 and low + width >= 0.05 and set(guards) <= {"pass"} and not is_wrong
    )
    if is_wrong:
        assert verdict == "cannot tell"
    elif "fail" in guards or low + width < 0.05:
        assert verdict == "keep"


@pytest.mark.parametrize("rule", ["latency<=1", "p0_x<=1", "p100_x<=1", "x_rate<0.1", "mean_X<=1"])
def test_what_is_no_guardrail_is_refused_with_an_example(rule):
    with pytest.raises(ABTestError, match=r"p95_latency_s<=1\.0"):
        parse_guardrail(rule)


def test_a_rate_has_a_limit_between_0_and_1():
    with pytest.raises(ABTestError, match="between 0 and 1"):
        parse_guardrail("error_rate<=1.5")
    assert parse_guardrail("mean_reward >= -2.5").limit == -2.5


def test_a_split_is_of_100():
    assert parse_split("90/10") == 0.1
    assert parse_split("99.5/0.5") == 0.005
    for text in ("90", "90/20", "100/0", "a/b"):
        with pytest.raises(ABTestError, match="champion/challenger in percent"):
            parse_split(text)


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_gain_over_time_is_a_picture_with_and_without_intervals(better, tmp_path, suffix):
    for name, report in (("full", better), ("empty", report_of([]))):
        path = tmp_path / f"{name}{suffix}"
        draw_gain(report, decide_ab_test(report), path)
        assert path.stat().st_size > 5000


def test_a_guardrail_says_how_many_independent_requests_there_are():
    """Without an error, the two requests of a user count as one."""
    report = report_of(traffic(400, errors=0.0))
    n = report.challenger.users
    assert report.guardrails[1].reason.endswith(f"of {2 * n} requests (worth {n} independent ones)")
