"""The picture of a training shows what was measured, and says what it means."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from tuneline.reports import TrainingReport
from tuneline.training import loss_curve
from tuneline.training.loss_curve import draw_loss_curve

LOSSES = tuple((step, 2.0 / step) for step in range(1, 9))
RATES = tuple((step, 1e-4 * step) for step in range(1, 9))


def report(**more: object) -> TrainingReport:
    return TrainingReport(8, 32, 100, 1.0, 1.0, LOSSES, ((8, 0.4),), "cpu", **more)


@pytest.fixture
def drawn(monkeypatch, tmp_path: Path):
    """Draw a report; gives back the figure."""
    figures: list[Figure] = []
    save = Figure.savefig

    def note(figure: Figure, *args: object, **kwargs: object) -> None:
        figures.append(figure)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", note)

    def draw(report: TrainingReport) -> Figure:
        draw_loss_curve(report, tmp_path / "curve.png")
        assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
        return figures[-1]

    return draw


def test_losses_learning_rate_and_gradient_norm_have_a_panel_each(drawn):
    norms = tuple((step, 1.0) for step in range(1, 9))
    panels = drawn(report(learning_rates=RATES, grad_norms=norms)).axes
    assert [axes.get_ylabel() for axes in panels] == [
        "loss per answer token",
        "learning rate",
        "gradient norm",
    ]
    assert [tuple(line.get_ydata()) for line in panels[0].lines] == [
        tuple(loss for _, loss in LOSSES),
        (0.4,),
    ]
    assert tuple(panels[1].lines[0].get_ydata()) == tuple(rate for _, rate in RATES)


def test_a_report_without_them_has_losses_alone_and_no_title(drawn):
    (axes,) = drawn(report()).axes
    assert axes.get_title() == ""


def test_the_title_is_the_verdict_in_its_colour(drawn):
    axes = drawn(report(verdict="healthy", evidence="the loss fell from 2.00 to 0.29")).axes[0]
    assert axes.get_title() == "healthy: the loss fell from 2.00 to 0.29"
    assert axes.title.get_color() == loss_curve.COLORS["healthy"]
    assert drawn(report(verdict="overfitting")).axes[0].title.get_color() == loss_curve.WARNING


@pytest.mark.parametrize(("highest", "scale"), [(20.0, "linear"), (2000.0, "log")])
def test_one_high_gradient_does_not_press_the_others_to_the_ground(drawn, highest, scale):
    norms = (*((step, 1.0) for step in range(1, 8)), (8, highest))
    assert drawn(report(grad_norms=norms)).axes[1].get_yscale() == scale


def test_a_gradient_of_zero_can_be_drawn(drawn):
    norms = (*((step, 0.0) for step in range(1, 8)), (8, 9e4))
    assert drawn(report(grad_norms=norms)).axes[1].get_yscale() == "linear"


def test_a_long_title_breaks_into_lines_inside_the_picture(drawn):
    words = "the training loss is 0.04 while the validation loss rose from 0.70 at step 100 " * 2
    figure = drawn(report(verdict="overfitting", evidence=words))
    title = figure.axes[0].title.get_window_extent()
    width, height = figure.canvas.get_width_height()
    assert title.x0 >= 0 and title.x1 <= width and title.y1 <= height


def test_a_run_without_a_logged_step_has_an_empty_picture(drawn):
    empty = TrainingReport(0, 0, 0, 0.0, 0.0, (), (), "cpu")
    assert not drawn(empty).axes[0].lines
