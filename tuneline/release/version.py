"""Release names: `v1.0-lawyer-20250401`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from tuneline.errors import RegistryError

DOMAIN_PATTERN = r"[a-z][a-z0-9_]*"
"""Grammar of a domain's name; it has no hyphen, so a release name reads in one way only."""
RELEASE_PATTERN = rf"v([1-9][0-9]*)\.(0|[1-9][0-9]*)-({DOMAIN_PATTERN})-([0-9]{{8}})"


@dataclass(frozen=True, slots=True, order=True)
class ReleaseName:
    """Name of a release; within a domain it sorts by major, then minor."""

    major: int
    minor: int
    domain: str
    day: date
    """Day of the registration, in UTC."""

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}-{self.domain}-{self.day:%Y%m%d}"

    @classmethod
    def parse(cls, text: str) -> "ReleaseName":
        """Read what `str()` writes.

        Raises:
            RegistryError: The text has another form, or a day that no calendar has.
        """
        match = re.fullmatch(RELEASE_PATTERN, text, re.ASCII)
        day = _day(match[4]) if match else None
        if match is None or day is None:
            raise RegistryError(
                f"'{text}' is no release name; one looks like v1.0-lawyer-20250401, "
                f"with a domain as in {DOMAIN_PATTERN}"
            )
        return cls(int(match[1]), int(match[2]), match[3], day)


def check_domain(domain: str) -> None:
    """Refuse a domain that could not stand in a release name.

    Raises:
        RegistryError: The name does not follow `DOMAIN_PATTERN`.
    """
    if not re.fullmatch(DOMAIN_PATTERN, domain, re.ASCII):
        raise RegistryError(
            f"'{domain}' is no name for a domain: it starts with a small letter "
            "and goes on with small letters, digits and _"
        )


def next_release(
    existing: Iterable[ReleaseName], domain: str, day: date, is_major: bool = False
) -> ReleaseName:
    """Name of a domain's next release, higher than every name it has given.

    Args:
        existing: Names given so far, in any order; those of other domains do not count.
        domain: Domain of the new release.
        day: Day of its registration; it decides nothing, so two of one day stay distinct.
        is_major: The base model, the chat template or the labels changed.
    """
    check_domain(domain)
    highest = max((name for name in existing if name.domain == domain), default=None)
    if highest is None:
        return ReleaseName(1, 0, domain, day)
    if is_major:
        return ReleaseName(highest.major + 1, 0, domain, day)
    return ReleaseName(highest.major, highest.minor + 1, domain, day)


def _day(digits: str) -> date | None:
    try:
        return datetime.strptime(digits, "%Y%m%d").date()
    except ValueError:
        return None


def model_named(text: str) -> tuple[str, str]:
    """Domain and version of `lawyer@champion`, `lawyer@3` or a release name.

    Raises:
        RegistryError: It is none of these.
    """
    domain, at, version = text.partition("@")
    if at and version:
        check_domain(domain)
        return domain, version
    return ReleaseName.parse(text).domain, text
