"""The terminal shows stage, steps, percent, time left, and while training loss and speed."""

import io
import re

import pytest
from rich.console import Console

from flows import terminal
from flows.terminal import shown_progress
from tasks.progress import progress_of


def console(*, is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=120)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())


@pytest.mark.parametrize("is_terminal", [True, False])
def test_while_training_loss_and_speed_stand_beside_percent_and_time_left(
    monkeypatch, is_terminal: bool
):
    monkeypatch.setattr(terminal, "LINE_EVERY_S", 0.0)
    screen = console(is_terminal=is_terminal)
    with shown_progress(screen):
        train = progress_of("train")
        train(0, 30)
        train(12, 30)
        train.tell("loss 0.42, 283 tokens/s")
    shown = text(screen)
    line = next(line for line in re.split(r"[\r\n]", shown) if "tokens/s" in line)
    assert "train 12/30  loss 0.42, 283 tokens/s" in line
    assert re.search(r"\d+ %", line) and re.search(r"about \d+:\d\d left", line)


def test_where_nobody_watches_a_stage_has_a_line_every_fifteen_seconds():
    screen = console(is_terminal=False)
    with shown_progress(screen):
        train = progress_of("train")
        for done in range(31):
            train(done, 30)
            train.tell(f"loss {done}")
        progress_of("merge candidate")(0, 1)
    lines = [re.sub(r"  about .*", "", line) for line in text(screen).splitlines()]
    assert [re.sub(r"^\[0:00\] \d+ % ", "", line) for line in lines] == [
        "train 0/30",
        "merge candidate",
    ]


def test_square_brackets_of_a_note_are_no_markup():
    screen = console(is_terminal=True)
    with shown_progress(screen):
        train = progress_of("train")
        train(1, 2)
        train.tell("[red]loss")
    assert "[red]loss" in text(screen)
