"""Latency percentiles are latencies that were measured."""

from tuneline.evaluation.latency import latency
from tuneline.reports import Latency


def test_percentiles_by_hand():
    # of 1..200 the smallest value that p % do not exceed
    assert latency(range(200, 0, -1)) == Latency(100.0, 190.0, 198.0, 200)


def test_of_few_answers_the_last_percentiles_are_the_slowest():
    assert latency([0.1, 0.4, 0.2]) == Latency(0.2, 0.4, 0.4, 3)


def test_no_answer_has_no_latency():
    assert latency([]) is None
