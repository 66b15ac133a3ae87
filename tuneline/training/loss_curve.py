"""The loss curve as a picture."""

from pathlib import Path

from tuneline.reports import TrainingReport


def draw_loss_curve(report: TrainingReport, path: Path) -> None:
    """Draw training and validation loss over steps as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, points in (
        ("training", report.losses),
        ("validation", report.validation_losses),
    ):
        if points:
            steps, losses = zip(*points, strict=True)
            axes.plot(steps, losses, marker="o", markersize=3, label=name)
    axes.set(xlabel="optimizer step", ylabel="loss per answer token", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)
