"""Two retrainings of one domain: the second waits or is refused; another domain goes on."""

import threading

import pytest

from tasks.turns import turn_of
from tuneline.errors import BusyError


def test_a_second_run_is_refused_with_the_name_of_the_first():
    with (
        turn_of("busy", "wait"),
        pytest.raises(BusyError, match=r"busy is being retrained by process \d+ on .*when_busy"),
        turn_of("busy", "refuse"),
    ):
        pass


def test_a_second_run_waits_until_the_first_has_ended():
    order = []

    def second() -> None:
        with turn_of("queued", "wait"):
            order.append("second")

    thread = threading.Thread(target=second)
    with turn_of("queued", "wait"):
        thread.start()
        thread.join(0.7)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_two_domains_are_retrained_side_by_side():
    with turn_of("one", "wait"), turn_of("other", "refuse"):
        pass
