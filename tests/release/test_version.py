from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneline.errors import RegistryError
from tuneline.release.version import (
    DOMAIN_PATTERN,
    ReleaseName,
    check_domain,
    model_named,
    next_release,
)

DAY = date(2025, 4, 1)
domains = st.from_regex(rf"\A{DOMAIN_PATTERN}\Z")
names = st.builds(
    ReleaseName,
    st.integers(1, 50),
    st.integers(0, 50),
    domains,
    st.dates(min_value=date(2000, 1, 1)),
)


@given(names)
def test_a_release_name_reads_as_it_is_written(name):
    assert ReleaseName.parse(str(name)) == name


def test_the_first_release_is_1_0():
    assert str(next_release([], "lawyer", DAY)) == "v1.0-lawyer-20250401"


def test_two_releases_of_one_day_are_distinct_and_ordered():
    first = next_release([], "lawyer", DAY)
    second = next_release([first], "lawyer", DAY)
    assert str(second) == "v1.1-lawyer-20250401"
    assert second > first


def test_a_major_release_starts_again_at_minor_0():
    existing = [ReleaseName(1, 7, "lawyer", DAY), ReleaseName(1, 3, "lawyer", DAY)]
    assert str(next_release(existing, "lawyer", DAY, is_major=True)) == "v2.0-lawyer-20250401"


def test_minor_10_comes_after_minor_9():
    existing = [ReleaseName(1, 9, "lawyer", DAY), ReleaseName(1, 10, "lawyer", DAY)]
    assert next_release(existing, "lawyer", DAY).minor == 11


@given(st.lists(names), domains, st.dates(min_value=date(2000, 1, 1)), st.booleans())
def test_the_next_release_is_new_and_higher_than_all_of_its_domain(existing, domain, day, is_major):
    name = next_release(existing, domain, day, is_major)
    assert all(
        (name.major, name.minor) > (n.major, n.minor) for n in existing if n.domain == domain
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1-lawyer-20250401",
        "v1.0-lawyer",
        "v0.1-lawyer-20250401",
        "v01.0-lawyer-20250401",
        "v1.0-Lawyer-20250401",
        "v1.0-law-yer-20250401",
        "v1.0-lawyer-20250231",
        "v1.0-lawyer-20250401\n",
        "v1.0-lawyer-٢٠٢٥٠٤٠١",
    ],
)
def test_other_forms_and_impossible_days_are_refused(text):
    with pytest.raises(RegistryError, match="is no release name"):
        ReleaseName.parse(text)


@pytest.mark.parametrize("domain", ["", "Lawyer", "law-yer", "1law", "律师", "lawyer\n"])
def test_a_domain_that_no_release_name_can_hold_is_refused(domain):
    with pytest.raises(RegistryError, match="is no name for a domain"):
        check_domain(domain)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("lawyer@champion", ("lawyer", "champion")),
        ("lawyer@3", ("lawyer", "3")),
        ("lawyer@v1.0-lawyer-20250401", ("lawyer", "v1.0-lawyer-20250401")),
        ("v1.0-lawyer-20250401", ("lawyer", "v1.0-lawyer-20250401")),
    ],
)
def test_a_model_is_named_by_domain_and_version_or_by_its_release(text, named):
    assert model_named(text) == named


@pytest.mark.parametrize("text", ["lawyer", "lawyer@", "@champion", "Law yer@3"])
def test_a_model_that_is_named_by_neither_is_refused(text):
    with pytest.raises(RegistryError):
        model_named(text)
