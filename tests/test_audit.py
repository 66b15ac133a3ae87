"""`make check` never takes an advisory service that is away for a clean answer."""

import pytest

from tests.audit import summary, unreadable

CLEAN = {"name": "a", "version": "1", "vulns": []}
SKIPPED = {"name": "b", "skip_reason": "Dependency not found on PyPI"}


def weak(*fix_versions):
    weakness = {"id": "CVE-2026-1", "fix_versions": list(fix_versions)}
    return {"name": "c", "version": "2", "vulns": [weakness]}


def test_a_weakness_with_a_mended_version_fails_and_names_it():
    code, lines = summary([CLEAN, weak("3")])
    assert (code, lines[0]) == (1, "c 2: CVE-2026-1, mended in 3")


def test_a_weakness_without_one_is_shown():
    code, lines = summary([CLEAN, weak()])
    assert (code, lines[0]) == (0, "c 2: CVE-2026-1, not mended yet")


def test_clean_packages_pass_and_are_counted():
    assert summary([CLEAN, SKIPPED]) == (0, ["pip-audit: 1 packages checked, 0 to be raised"])


@pytest.mark.parametrize("dependencies", [[], [SKIPPED]])
def test_nothing_checked_is_said_to_be_not_checked(dependencies):
    _, [line] = summary(dependencies)
    assert line.startswith("pip-audit: not checked, ")


def test_a_service_out_of_reach_is_said_to_be_not_checked():
    code, [line] = unreadable("pip_audit.ServiceError\nMax retries exceeded with url: /pypi")
    assert code == 0
    assert "not checked, the advisory service cannot be reached" in line


def test_an_answer_nobody_can_read_fails():
    assert unreadable("Traceback: KeyError") == (1, ["pip-audit: not checked: Traceback: KeyError"])
