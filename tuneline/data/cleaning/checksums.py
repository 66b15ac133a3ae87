"""Check digits that tell card and identity numbers from other digits."""

from datetime import date

RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
RESIDENT_CHECKS = "10X98765432"
PROVINCES = frozenset(
    {11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46}
    | {50, 51, 52, 53, 54, 61, 62, 63, 64, 65, 71, 81, 82, 83}
)
"""First two digits of GB/T 2260 codes; 83 is on residence permits for Taiwan residents."""


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1 annex B."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(n - 9 * (n > 9) for n in doubled)) % 10 == 0


def is_resident_id(number: str) -> bool:
    """Whether 18 characters are a Chinese resident id: GB 11643-1999, MOD 11-2, real birth date."""
    total = sum(w * int(digit) for w, digit in zip(RESIDENT_WEIGHTS, number[:17], strict=True))
    if RESIDENT_CHECKS[total % 11] != number[17].upper() or int(number[:2]) not in PROVINCES:
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return date(1880, 1, 1) <= born <= date(2100, 1, 1)
