import dataclasses

import pytest

from tests.reporting.examples import SCORE, facts
from tuneline.reporting import drawing
from tuneline.reporting.drawing import Axis
from tuneline.reports import Difference


def test_an_axis_tells_where_a_value_lies_in_percent():
    assert Axis(-1, 1).at(0) == 50
    assert Axis(0, 4).ticks()[0] == (0, "0")
    assert all(0 <= at <= 100 for at, _ in Axis(-0.13, 0.71).ticks())


def test_the_axis_of_differences_holds_0_and_every_interval():
    axis = drawing.difference_axis([Difference(0.3, 0.2, 0.4, 9, "better")])
    assert (axis.low < 0, axis.high > 0.4) == (True, True)
    same = drawing.difference_axis([Difference(0, 0, 0, 9, "cannot tell")])
    assert same.low < 0 < same.high


def test_an_interval_beyond_the_axis_ends_at_its_edge():
    wide = Difference(0.5, -3, 0.9, 9, "cannot tell")
    assert drawing.interval(wide, Axis(0, 1)) == {"low": 0, "value": 50, "high": 90}


def test_the_loss_curve_falls_from_left_to_right():
    plot = drawing.loss_plot(facts().training)
    training, validation = plot.curves
    (x0, y0), (x1, y1) = (map(float, point.split(",")) for point in training.points.split())
    assert (x0, x1) == (0, 100)
    assert y0 < y1, "y grows downwards"
    assert validation.is_point


def test_a_training_of_one_step_has_no_curve():
    one = dataclasses.replace(facts().training, losses=((1, 0.5),), validation_losses=())
    assert drawing.loss_plot(one) is None


def test_small_variants_stand_left_and_good_ones_high():
    report = facts().quantizations
    worse = dataclasses.replace(report.variants[1], score=dataclasses.replace(SCORE, value=0.5))
    plot = drawing.pareto_plot(dataclasses.replace(report, variants=(report.variants[0], worse)))
    reference, nf4 = plot.dots
    assert nf4.x < reference.x
    assert nf4.y > reference.y
    assert (reference.is_reference, nf4.is_reference) == (True, False)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_variants_make_no_picture(n):
    report = facts().quantizations
    assert drawing.pareto_plot(dataclasses.replace(report, variants=report.variants[:n])) is None
