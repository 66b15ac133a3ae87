"""The time left follows the run's own speed."""

import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from flows.forecast import SHARES as PLAN
from flows.forecast import Forecast

ROOT = Path(__file__).parent.parent.parent
SHARES = {"a": 10.0, "b": 30.0, "c": 60.0}


def test_half_of_the_work_in_ten_seconds_leaves_ten_seconds():
    forecast = Forecast(0.0, SHARES, prior_s=0)
    forecast.update("a", 1, 1)
    forecast.update("b", 30, 30)
    forecast.update("c", 1, 6)
    assert forecast.fraction() == 0.5
    assert forecast.left_s(10.0) == 10.0


def test_before_anything_is_done_the_time_left_is_that_of_the_reference():
    assert Forecast(0.0, SHARES, prior_s=30).left_s(0.0) == 100.0
    slow = Forecast(0.0, SHARES, prior_s=30)
    slow.update("a", 1, 1)
    # By hand: 10 of the reference's 100 s took 50; with 30 s of prior, twice as slow.
    assert slow.left_s(50.0) == 180.0


def test_a_stage_that_goes_on_is_not_done():
    forecast = Forecast(0.0, SHARES, prior_s=0)
    for done in (10, 20, 30):
        forecast.update("a", done, 100)
    # By hand: 3 of 100 planned took 6 s, 97 are left.
    assert (forecast.fraction(), forecast.left_s(6.0)) == (0.03, 194.0)


OF_OTHER_FLOWS = {"search.py", "replay.py"}


def test_every_stage_that_reports_is_in_the_plan():
    paths = [p for p in (ROOT / "tasks").glob("*.py") if p.name not in OF_OTHER_FLOWS]
    source = "".join(path.read_text() for path in paths)
    reported = re.findall(r'progress_of\(f?"(.+?)"\)', source)
    assert len(reported) >= 5
    for name in reported:
        pattern = re.sub(r"{.+?}", r"\\w+", name)
        assert any(re.fullmatch(pattern, planned) for planned in PLAN), name


def test_a_stage_that_was_reused_leaves_the_plan():
    forecast = Forecast(0.0, SHARES, prior_s=0)
    forecast.update("c", 1, 2)
    assert forecast.fraction() == 0.5


def test_nothing_done_forecasts_nothing_and_unknown_stages_do_no_harm():
    forecast = Forecast(0.0, SHARES, prior_s=0)
    assert forecast.left_s(5.0) is None
    forecast.update("other", 1, 2)
    assert forecast.fraction() == 0.0


def test_the_time_left_is_that_of_the_work_left_at_the_speed_so_far():
    forecast = Forecast(100.0, SHARES, prior_s=0)
    forecast.update("b", 1, 3)
    # By hand: 10 of 90 planned (a was reused) took 4 s; 80 are left.
    assert forecast.fraction() == 10 / 90
    assert forecast.left_s(104.0) == 32.0
    forecast.update("c", 0, 1)
    # b counts as done: 30 took 6 s, 60 are left.
    assert forecast.left_s(106.0) == 12.0


def test_at_the_end_nothing_is_left():
    forecast = Forecast(0.0, SHARES, prior_s=0)
    for stage in SHARES:
        forecast.update(stage, 1, 1)
    assert (forecast.fraction(), forecast.left_s(9.0)) == (1.0, 0.0)


def test_a_stage_without_units_does_no_harm():
    forecast = Forecast(0.0, SHARES, prior_s=0)
    forecast.update("a", 0, 0)
    assert forecast.fraction() == 0.0


@given(
    st.lists(st.sampled_from(list(PLAN)), unique=True).map(
        lambda stages: sorted(stages, key=list(PLAN).index)
    ),
    st.integers(1, 5),
)
def test_progress_never_falls_whatever_stages_were_reused(stages: list[str], total: int):
    forecast, fractions = Forecast(0.0), [0.0]
    for stage in stages:
        for done in range(total + 1):
            forecast.update(stage, done, total)
            fractions.append(forecast.fraction())
    assert fractions == sorted(fractions)
    assert 0 <= fractions[-1] <= 1


def test_progress_does_not_fall_when_champion_and_candidate_are_both_merged():
    forecast, fractions = Forecast(0.0), []
    events = [("train", 1, 1), ("merge champion", 0, 1), ("merge champion", 1, 1)]
    events += [("merge candidate", 0, 1), ("merge candidate", 1, 1)]
    for event in events:
        forecast.update(*event)
        fractions.append(forecast.fraction())
    assert fractions == sorted(fractions)
