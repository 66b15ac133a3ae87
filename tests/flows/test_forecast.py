"""The time left follows the run's own speed."""

from flows.forecast import Forecast

SHARES = {"a": 10.0, "b": 30.0, "c": 60.0}


def test_half_of_the_work_in_ten_seconds_leaves_ten_seconds():
    forecast = Forecast(0.0, SHARES)
    forecast.update("a", 1, 1)
    forecast.update("b", 30, 30)
    forecast.update("c", 1, 6)
    assert forecast.fraction() == 0.5
    assert forecast.left_s(10.0) == 10.0


def test_a_stage_that_was_reused_leaves_the_plan():
    forecast = Forecast(0.0, SHARES)
    forecast.update("c", 1, 2)
    assert forecast.fraction() == 0.5


def test_nothing_done_forecasts_nothing_and_unknown_stages_do_no_harm():
    forecast = Forecast(0.0, SHARES)
    assert forecast.left_s(5.0) is None
    forecast.update("other", 1, 2)
    assert forecast.fraction() == 0.0
