"""How fast a training goes, and how much of the machine it uses."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuneline.training import speed
from tuneline.training.speed import Spent, Stopwatch, Usage


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Iterator[Clock]:
    return Clock()


def test_only_steps_count_for_the_speed(tmp_path: Path, clock: Clock):
    watch = Stopwatch(tmp_path, clock)
    clock.s = 10  # the model is moved to the GPU
    watch.begin_step()
    clock.s = 12
    assert watch.end_step(100) == 50.0
    clock.s = 20  # a validation
    watch.pause()
    watch.begin_step()
    clock.s = 24
    assert watch.end_step(500) == 100.0
    assert watch.total() == Spent(wall_s=24.0, step_s=6.0, tokens=500)
    assert watch.here_s() == 24.0


def test_a_resumed_run_counts_what_it_spent_up_to_the_checkpoint(tmp_path: Path, clock: Clock):
    first = Stopwatch(tmp_path, clock)
    first.begin_step()
    clock.s = 5
    first.end_step(50)
    first.save()
    clock.s = 9
    first.end_step(90)  # lost: killed before the next checkpoint
    clock.s = 100
    second = Stopwatch(tmp_path, clock)
    second.begin_step()
    clock.s = 103
    second.end_step(30)
    assert second.total() == Spent(wall_s=8.0, step_s=8.0, tokens=80)


def test_a_trainer_that_counts_no_tokens_has_no_speed(tmp_path: Path, clock: Clock):
    watch = Stopwatch(tmp_path, clock)
    watch.begin_step()
    clock.s = 2
    assert watch.end_step(None) is None
    assert watch.total() == Spent(wall_s=2.0, step_s=2.0, tokens=0)


def test_use_of_the_machine_is_read_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch):
    reads: list[int] = []
    monkeypatch.setattr(speed, "_read_usage", lambda: {"memory_mib": float(len(reads))})
    now = Clock()
    monkeypatch.setattr(speed, "time", SimpleNamespace(monotonic=now))
    usage = Usage()
    for now.s in (0.0, 0.5, 0.9, 1.0, 1.5):
        usage()
        reads.append(1)
    assert usage() == {"memory_mib": 3.0}, "read at 0.0 and 1.0"


@pytest.mark.parametrize("has_nvml", [True, False])
def test_the_gpu_tells_its_memory_and_where_it_can_how_busy_it_is(monkeypatch, has_nvml: bool):
    found = object() if has_nvml else None
    util = SimpleNamespace(find_spec=lambda name: found if name == "pynvml" else None)
    monkeypatch.setattr(speed, "importlib", SimpleNamespace(util=util))
    gpu = SimpleNamespace(memory_reserved=lambda: 3 * 2**20, utilization=lambda: 87)
    busy = {"gpu_busy_fraction": 0.87} if has_nvml else {}
    assert speed._read_gpu(gpu) == {"gpu_memory_mib": 3.0} | busy
