"""A stage as a Prefect task: its output lives in the store, its state says whether it was built."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import task_run
from prefect.states import Completed

from tuneline.errors import TunelineError
from tuneline.machine import free_memory
from tuneline.store import StageOutput, Store, workspace

P = ParamSpec("P")
R = TypeVar("R")
RETRY_DELAYS_S = [10.0, 60.0]
"""Waits before the first and the second retry of a task that crosses a network."""


class StageRun(NamedTuple):
    """A stage that a flow went through."""

    name: str
    stage: str
    """Folder of the store."""
    key: str
    is_reused: bool
    wall_s: float
    """Seconds inside the task, building or finding the output."""


_collectors: list[list[StageRun]] = []


@contextmanager
def collected_stages() -> Iterator[list[StageRun]]:
    """Collect the stages that run inside the block."""
    runs: list[StageRun] = []
    _collectors.append(runs)
    try:
        yield runs
    finally:
        _collectors.remove(runs)


def stage(
    name: str, *, timeout_s: int, run_name: str | None = None, holds_model: bool = False
) -> Callable[[Callable[P, StageOutput]], Callable[P, StageOutput]]:
    """Make a task of a function that returns a stage's output.

    The run page shows `Reused` where the output was there before. Prefect's own result cache is
    off: the store is the one place that knows what is built.

    Args:
        name: Shown in the Prefect UI.
        timeout_s: Seconds after which the task fails.
        run_name: Name of each run, with parameters such as `{model.name}`; default `name`.
        holds_model: Its memory is to be given back when the stage was built.
    """

    def decorate(build: Callable[P, StageOutput]) -> Callable[P, StageOutput]:
        @task(
            name=name,
            task_run_name=run_name or name,
            timeout_seconds=timeout_s,
            cache_policy=NO_CACHE,
        )
        @wraps(build)
        def run(*args: P.args, **kwargs: P.kwargs) -> State[StageOutput]:
            started = time.monotonic()
            output = build(*args, **kwargs)
            if holds_model and not output.is_reused:
                free_memory()
            wall_s = time.monotonic() - started
            done = StageRun(task_run.name, output.stage, output.key, output.is_reused, wall_s)
            for runs in _collectors:
                runs.append(done)
            state = "Reused" if output.is_reused else "Completed"
            message = f"{output.stage} {output.key[:12]}, built in {output.duration_s:.1f} s"
            return Completed(name=state, message=message, data=output)

        @wraps(build)
        def call(*args: P.args, **kwargs: P.kwargs) -> StageOutput:
            returned: StageOutput | State[StageOutput] = run(*args, **kwargs)
            return returned.result() if isinstance(returned, State) else returned

        return call

    return decorate


def network_task(
    name: str, *, timeout_s: int, run_name: str | None = None
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of a function that crosses a network: tried three times where that can help.

    Args:
        name: Shown in the Prefect UI.
        timeout_s: Seconds after which a try fails.
        run_name: Name of each run, with parameters such as `{version.release}`; default `name`.
    """

    def decorate(call: Callable[P, R]) -> Task[P, R]:
        return task(
            name=name,
            task_run_name=run_name or name,
            retries=len(RETRY_DELAYS_S),
            retry_delay_seconds=RETRY_DELAYS_S,
            retry_condition_fn=may_pass,
            timeout_seconds=timeout_s,
            cache_policy=NO_CACHE,
        )(call)

    return decorate


def may_pass(failed: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether trying again could help: not where the error names something a person must mend."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, TunelineError)


def store() -> Store:
    """The store of this workspace."""
    return Store(workspace())
