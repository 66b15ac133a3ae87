"""On a real MLflow registry in SQLite; one database for the module, one domain per test."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tuneline import looks
from tuneline.tracking import connect

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    found = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    connect(found)
    return found


@pytest.fixture
def look(uri, request):
    """Look at the holdout of a domain that no other test looks at."""
    fixed = {"generation": 0, "holdout": "rows", "max_looks": 3}
    return lambda **more: looks.look(uri, request.node.name, **(fixed | more))


def test_looks_are_counted_from_1_and_past_the_limit_the_holdout_is_worn(look):
    found = [look(candidate=name) for name in "abcd"]
    assert [each.number for each in found] == [1, 2, 3, 4]
    assert [each.is_worn for each in found] == [False, False, False, True]


def test_an_unchanged_rerun_is_no_new_look_and_keeps_its_number(look):
    first, second = look(candidate="a"), look(candidate="b")
    assert (look(candidate="a"), look(candidate="b")) == (first, second)
    assert look(candidate="c").number == 3


def test_a_grown_holdout_is_a_new_look_at_the_same_generation(look):
    assert look(candidate="a").number == 1
    assert look(candidate="a", holdout="more rows").number == 2


def test_a_fresh_generation_is_counted_from_1(look):
    look(candidate="a")
    assert look(candidate="a", generation=1).number == 1
    assert look(candidate="b").number == 2


def test_threads_that_look_at_once_get_different_numbers(look):
    def one(number):
        return look(candidate=f"candidate {number}").number

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(16)))
    assert sorted(found) == list(range(1, 17))
    assert [one(number) for number in range(16)] == found, "no number changes afterwards"


def test_a_candidate_that_looks_in_eight_threads_at_once_looked_once(look):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: look(candidate="a").number, range(8)))
    assert found == [1] * 8
    assert look(candidate="b").number == 2


@pytest.mark.slow
def test_processes_that_look_at_once_get_different_numbers(look, uri, request):
    code = (
        "import sys; from tuneline.looks import look\n"
        "uri, domain, who = sys.argv[1:]\n"
        "more = dict(generation=0, holdout='rows', max_looks=3)\n"
        "print(*(look(uri, domain, candidate=f'{who} {n}', **more).number for n in range(4)))"
    )
    command = [sys.executable, "-c", code, uri, request.node.name]
    start = partial(subprocess.Popen, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    processes = [start([*command, f"process {n}"]) for n in range(3)]
    found = [int(number) for p in processes for number in p.communicate(timeout=120)[0].split()]
    assert [p.returncode for p in processes] == [0, 0, 0]
    assert sorted(found) == list(range(1, 13))
