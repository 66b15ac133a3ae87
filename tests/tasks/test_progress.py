"""Progress reaches whoever watches at once, and the run page without holding up the work."""

import logging
from uuid import UUID

import httpx
import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterId

from tasks import progress
from tasks.progress import Pace, StageProgress, progress_of, watched_by


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def stored_artifact(artifact: UUID):
    """An artifact as the server holds it."""
    wanted = ArtifactFilter(id=ArtifactFilterId(any_=[artifact]))
    return get_client(sync_client=True).read_artifacts(artifact_filter=wanted)[0]


def test_watchers_are_told_every_step_and_every_note():
    told: list[tuple[str, int, int, str]] = []
    with watched_by(lambda *seen: told.append(seen)):
        report = progress_of("train")
        report(1, 3)
        report.tell("loss 0.42")
        report(2, 3)
    report(3, 3)
    assert told == [
        ("train", 1, 3, ""),
        ("train", 1, 3, "loss 0.42"),
        ("train", 2, 3, "loss 0.42"),
    ]


def test_the_time_left_of_a_resumed_stage_does_not_count_what_was_done_before():
    clock = Clock()
    report = StageProgress("train", clock)
    report(90, 100)
    assert report.left_s() is None
    clock.s = 10
    report(92, 100)
    # By hand: 2 steps took 10 s, 8 are left.
    assert report.left_s() == 40


def test_the_run_page_is_updated_every_two_seconds_and_when_it_must():
    clock, sent = Clock(), []
    pace = Pace(clock)
    for clock.s in (0.0, 1.0, 1.9, 2.0, 3.9, 4.0):
        pace.update(lambda: sent.append(clock.s))
    assert sent == [0.0, 2.0, 4.0]
    pace.update(lambda: sent.append(clock.s), must=True)
    assert sent == [0.0, 2.0, 4.0, 4.0]


def test_slow_updates_take_one_percent_of_the_time():
    clock, sent = Clock(), []

    def send() -> None:
        sent.append(clock.s)
        clock.s += 0.5

    pace = Pace(clock)
    for clock.s in range(200):
        pace.update(send)
    assert sent == [0, 51, 102, 153]


@pytest.mark.parametrize("error", [httpx.ConnectError("no route"), httpx.ReadTimeout("slow")])
def test_a_server_that_does_not_answer_does_not_stop_the_work(
    error: Exception, caplog: pytest.LogCaptureFixture
):
    def fail() -> None:
        raise error

    with caplog.at_level(logging.WARNING, "tuneline"):
        Pace().update(fail)
    assert f"the run page is not up to date: {error}" in caplog.text


def test_an_error_of_our_own_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        Pace().update(lambda: 1 / 0)


def test_the_run_page_shows_percent_numbers_and_time_left(prefect_server, monkeypatch):
    monkeypatch.setattr(progress, "UPDATE_EVERY_S", 0)
    monkeypatch.setattr(progress, "MAX_SHARE", 1e9)
    texts = []

    @task
    def train() -> UUID:
        report = progress_of("train")
        report.tell("loss 0.42, 283 tokens/s")
        for done in (0, 1, 4):
            report(done, 4)
            texts.append(stored_artifact(report.artifact).description)
        return report.artifact

    @flow
    def run() -> UUID:
        return train()

    shown = stored_artifact(run())
    assert shown.type == "progress"
    assert shown.data == 100.0
    assert texts[0] == "train: 0/4 (loss 0.42, 283 tokens/s)"
    assert texts[1].startswith("train: 1/4 (loss 0.42, 283 tokens/s)")
    assert texts[2] == "train: 4/4 (loss 0.42, 283 tokens/s)"
