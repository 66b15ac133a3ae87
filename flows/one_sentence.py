"""Failures as people read them: the run's state says what is wrong and what to do."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from prefect.states import Failed

from tuneline.errors import TunelineError
from tuneline.store import disk_full, is_disk_full, workspace
from tuneline.tracking import diagnosis, tracking_uri

P = ParamSpec("P")
R = TypeVar("R")


def fails_in_one_sentence(run: Callable[P, R]) -> Callable[P, R]:
    """Let a flow function end as failed with the sentence of a `TunelineError` as its message.

    The caller of the flow still gets the error raised. Other errors keep Prefect's own message.
    """

    @wraps(run)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return run(*args, **kwargs)
        except Exception as error:
            known = _known(error)
            if known is None:
                raise
            return cast(R, Failed(message=str(known), data=cast(Any, known)))

    return told


def _known(error: Exception) -> TunelineError | None:
    if isinstance(error, TunelineError):
        return error
    if is_disk_full(error):
        return disk_full(workspace(), "the run's records")
    return diagnosis(error, tracking_uri())
