"""Where independent pieces of the data stage run: here, in processes, or on a Dask cluster.

A piece reads and writes the store, so only small references travel, and a piece that was done
before is found there. Every engine calls the same functions; what they decide cannot differ.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from tuneline.errors import DataError
from tuneline.progress import Progress, silent

T = TypeVar("T")
R = TypeVar("R")
MIN_BYTES_FOR_PROCESSES = 64 * 2**20
"""Input below which starting processes costs more than it saves."""


def run_all(
    function: Callable[[T], R],
    items: Sequence[T],
    engine: str,
    n_bytes: int,
    progress: Progress = silent,
) -> list[R]:
    """Call a function with every item.

    Args:
        function: Importable on every machine, with arguments and results that pickle.
        items: N items.
        engine: `local`, or the address of a Dask scheduler.
        n_bytes: Size of what the items stand for.
        progress: Told the items done.

    Returns:
        N results in the order of the items.

    Raises:
        DataError: The scheduler does not answer.
        Exception: The first one that a call raised.
    """
    is_large = len(items) > 1 and n_bytes >= MIN_BYTES_FOR_PROCESSES
    run = _on_cluster if engine != "local" else _in_processes if is_large else _here
    results: list[R] = []
    for result in run(function, items, engine):
        results.append(result)
        progress(len(results), len(items))
    return results


def _here(function: Callable[[T], R], items: Sequence[T], engine: str) -> Iterator[R]:
    return map(function, items)


def _in_processes(function: Callable[[T], R], items: Sequence[T], engine: str) -> Iterator[R]:
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=-1, return_as="generator")
    results: Iterator[R] = parallel(delayed(function)(item) for item in items)
    return results


def _on_cluster(function: Callable[[T], R], items: Sequence[T], engine: str) -> Iterator[R]:
    try:
        from distributed import Client
    except ImportError:
        raise DataError(
            f"data.engine {engine} needs Dask: run `pip install 'tuneline[cluster]'`, or set "
            "data.engine to local"
        ) from None
    try:
        client: Any = Client(engine, timeout="10s", set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError, ValueError) as error:
        raise DataError(
            f"no Dask scheduler answers at data.engine {engine} ({type(error).__name__}); start it "
            "with `dask scheduler`, correct the address, or set data.engine to local"
        ) from error
    with client:
        futures = client.map(function, items, pure=False)
        for future in futures:
            yield future.result()
