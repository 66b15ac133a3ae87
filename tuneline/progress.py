"""How long work says how far it is: a function of units done and units in all."""

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called as `progress(done, total)`; cheap enough to be called for every step or batch."""


def silent(done: int, total: int) -> None:
    """Progress that nobody watches."""
