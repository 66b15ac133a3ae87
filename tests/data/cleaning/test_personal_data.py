import pytest

from tuneline.data.cleaning.personal_data import find_personal_data, mask, redact


def found(text):
    return [(span.rule, text[span.start : span.end]) for span in find_personal_data(text)]


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ("写信到li.si+a@mail.example.cn。", "email", "li.si+a@mail.example.cn"),
        ("a＠example.com", "email", "a＠example.com"),
        ("手机13812345678，", "phone", "13812345678"),
        ("手机：+86 138-1234-5678", "phone", "+86 138-1234-5678"),
        ("手机１３８１２３４５６７８", "phone", "１３８１２３４５６７８"),
        ("电话010-62781234转", "phone", "010-62781234"),
        ("电话（0371）6278123-801", "phone", "（0371）6278123-801"),
        ("call (415) 243-9345 ;", "phone", "(415) 243-9345"),
        ("call 1-800-778-7879.", "phone", "1-800-778-7879"),
        ("fax +44 20 7946 0958", "phone", "+44 20 7946 0958"),
        ("Phone No.: 13512345678", "phone", "13512345678"),
        ("telephone number: 13512345678", "phone", "13512345678"),
        ("Mobile No. +91 98765 43210", "phone", "+91 98765 43210"),
        ("手机号#13512345678", "phone", "13512345678"),
        ("Tel.13612345678,", "phone", "13612345678"),
        ("Tel13612345678", "phone", "13612345678"),
        ("TEL.+8613612345678", "phone", "+8613612345678"),
        ("Fax.(010)62781234", "phone", "(010)62781234"),
        ("电话.13612345678", "phone", "13612345678"),
        ("+442079460958", "phone", "+442079460958"),
        ("WhatsApp:+442079460958.", "phone", "+442079460958"),
        ("身份证号码:11010519491231002X。", "resident_id", "11010519491231002X"),
        ("卡号4111 1111 1111 1111的卡", "bank_card", "4111 1111 1111 1111"),
        ("paid by 378282246310005", "bank_card", "378282246310005"),
        ("银行卡号：79927398713000000", "bank_card", "79927398713000000"),
    ],
)
def test_personal_data_is_found_in_both_languages(text, rule, value):
    assert found(text) == [(rule, value)]
    assert redact(text, [rule]) == text.replace(value, f"[{rule.upper()}]")


@pytest.mark.parametrize(
    "text",
    [
        "（2016）京0105民初12345号",
        "合同编号：13812345678",
        "串号为868486024213755",
        "订单号 4111111111111111",
        "dfars 252.227-7015 and 227.7202-3",
        "84834150134 - 6778576 = -16666579378",
        "472547338\n+966863982983\n-------",
        "355909190063-746",
        "ISBN: 9780747532699",
        "150××××0920",
        "2013年1月2日至2014年3月4日，共12,345,678.90元",
        "123456789012 in EAN-13 format",
        "11010519491231002",
        "110105194912310021",
        "4111111111111112",
        "user@localhost, @someone, a@b",
        "No. 4111111111111111",
        "No. 13812345678",
        "hotel No. 13812345678",
        "手机订单号：13812345678",
        "mobile case No. 13812345678",
        "a13312345678",
        "model.13612345678",
        "hotel13612345678",
        "1.13612345678",
        "12 +442079460958",
        "up +1234567",
        "growth +10000000",
        "+1234567890123456",
    ],
)
def test_docket_numbers_sums_and_wrong_check_digits_are_no_personal_data(text):
    assert found(text) == []


def test_a_card_of_no_known_issuer_needs_a_word_that_announces_it():
    assert found("参考 79927398713000000 即可") == []


def test_a_number_inside_an_address_is_part_of_the_address():
    assert found("13812345678@example.com") == [("email", "13812345678@example.com")]


def test_masked_text_keeps_its_length_and_hides_the_middle():
    assert mask("手机13812345678。") == "手机13*******78。"
    assert mask("李四 li.si@example.com") == "李四 li.**@*********om"
    assert mask("身份证11010519491231002X") == "身份证110*************2X"


def test_only_the_rules_that_are_named_are_redacted():
    text = "13812345678 a@example.com 13912345678"
    assert redact(text, ["phone"]) == "[PHONE] a@example.com [PHONE]"
    assert redact(text, []) == text
