import pytest

from tuneline.data.cleaning.checksums import is_resident_id, passes_luhn


@pytest.mark.parametrize("digits", ["79927398713", "4111111111111111", "378282246310005"])
def test_luhn_takes_published_test_numbers_and_no_other_last_digit(digits):
    """79927398713 is the usual textbook example of ISO/IEC 7812-1; the others test payments."""
    others = {digits[:-1] + last for last in "0123456789"} - {digits}
    assert passes_luhn(digits)
    assert not any(passes_luhn(other) for other in others)


@pytest.mark.parametrize("number", ["11010519491231002X", "440524188001010014"])
def test_a_resident_id_has_the_check_character_of_gb_11643(number):
    """Both are the examples in GB 11643-1999."""
    others = {number[:-1] + last for last in "0123456789X"} - {number}
    assert is_resident_id(number)
    assert is_resident_id(number.lower())
    assert not any(is_resident_id(other) for other in others)


def with_check(first):
    return next(first + last for last in "0123456789X" if _is_mod_11_2(first + last))


def _is_mod_11_2(number):
    """ISO 7064 MOD 11-2 by its recursion, written apart from the weights under test."""
    remainder = 0
    for character in number[:-1]:
        remainder = (remainder + int(character)) * 2 % 11
    return (remainder + (10 if number[-1] == "X" else int(number[-1]))) % 11 == 1


def test_a_resident_id_has_a_province_and_a_day_that_was():
    assert is_resident_id(with_check("11010519900228001"))
    assert not is_resident_id(with_check("11010519900230001"))
    assert not is_resident_id(with_check("99010519900228001"))
    assert not is_resident_id(with_check("11010517900228001"))
