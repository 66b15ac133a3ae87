"""An MLflow client that waits for a SQLite file which another process is writing to."""

import logging
import random
import time
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

LOCKED = "database is locked"
PATIENCE_S = 60.0
LONGEST_PAUSE_S = 2.0


class PatientClient:
    """Passes every call on; one that found the file locked did nothing, and is made again.

    SQLite itself waits five seconds for a lock.
    """

    def __init__(self, client: Any, patience_s: float = PATIENCE_S) -> None:
        self._client, self._patience_s = client, patience_s

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._patient(found) if callable(found) else found

    def _patient(self, call: Callable[..., Any]) -> Callable[..., Any]:
        from mlflow.exceptions import MlflowException

        def again(*args: Any, **kwargs: Any) -> Any:
            deadline, pause_s = time.monotonic() + self._patience_s, 0.1
            while True:
                try:
                    return call(*args, **kwargs)
                except MlflowException as error:
                    if LOCKED not in str(error) or time.monotonic() > deadline:
                        raise
                log.info("patience: the MLflow database is locked, trying again")
                time.sleep(random.uniform(0.5, 1) * pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

        return again
