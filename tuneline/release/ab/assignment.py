"""Which users see the challenger; docs/ab-assignment.md specifies it for other languages."""

import hashlib
from typing import Literal

Variant = Literal["champion", "challenger"]


def position(salt: str, user_id: str) -> float:
    """Where a user lies between 0 and 1: even over users, and independent between salts.

    SHA-256 of salt, a colon and the user id in UTF-8; its first 8 bytes as an unsigned big-endian
    integer, divided by 2**64.

    Args:
        salt: Belongs to one test, so that each test draws its users anew.
        user_id: Taken as it is: no case folding, trimming or Unicode normalisation.
    """
    digest = hashlib.sha256(f"{salt}:{user_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign(salt: str, challenger_share: float, user_id: str) -> Variant:
    """The variant that a user sees for as long as the test runs.

    Args:
        salt: The test's salt.
        challenger_share: Share of users in (0, 1) that sees the challenger.
        user_id: As for `position`.
    """
    return "challenger" if position(salt, user_id) < challenger_share else "champion"
