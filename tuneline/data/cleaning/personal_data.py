"""Personal data in Chinese and English text: where it stands, masked for people, redacted."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from tuneline.data.cleaning.checksums import is_resident_id, passes_luhn

ASCII_FORMS = str.maketrans("０１２３４５６７８９＠．－＋Ｘ（）\u3000\xa0", "0123456789@.-+X()  ")
"""Wide forms are read as ASCII, one for one, so that offsets stay."""
MAY_HOLD_NUMBER = re.compile(r"[0-9０-９][0-9０-９\s.()（）－-]{5,}(?:[0-9０-９]|[XxＸ])")

EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9][A-Za-z0-9._%+-]{0,63}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,24}(?![A-Za-z0-9])"
)
RESIDENT_ID = re.compile(r"(?<![0-9A-Za-z])[1-8][0-9]{16}[0-9Xx](?![0-9A-Za-z])")
CARD = re.compile(
    r"(?<![0-9A-Za-z.])(?:[2-9][0-9]{14,18}"
    r"|[2-9][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{1,3})?"
    r"|3[47][0-9]{2}([ -])[0-9]{6}\2[0-9]{5})(?![0-9A-Za-z])"
)
_PHONE = (
    r"(?:"
    r"(?:\+?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}"  # mobile, China
    r"|(?:\+?86[ -]?)?(?:\(0[1-9][0-9]{1,2}\)[ -]?|0[1-9][0-9]{1,2}[ -])[1-9][0-9]{6,7}"
    r"(?:-[0-9]{1,5})?"  # landline, China, with an extension
    r"|(?:\+?1[ .-]?)?(?:\([2-9][0-9]{2}\) ?[2-9][0-9]{2}[ .-]"
    r"|[2-9][0-9]{2}([ .-])[2-9][0-9]{2}\1)[0-9]{4}"  # North America
    r"|\+1[2-9][0-9]{2}[2-9][0-9]{6}"
    r"|\+[1-9][0-9]{0,2}[ -]\(?[0-9]{1,5}\)?(?:[ -][0-9]{2,8}){1,4}"  # any other country
    r"|(?<![0-9])(?<![0-9]\s)(?<![0-9]\s\s)\+(?![1-9]0{5})[1-9][0-9]{7,14}"  # E.164, not in a sum
    r")(?![0-9A-Za-z]|-[0-9])"
)
PHONES = re.compile(rf"(?<![0-9A-Za-z.])(?<![=\s]-){_PHONE}")
GLUED_PHONES = re.compile(rf"(?:(?<=[A-Za-z])|(?<=[^\W\d]\.)){_PHONE}")
"""Numbers right behind a word; codes of other kinds look the same, so the word must say it."""
PHONE_CONTEXT = re.compile(
    r"(?:(?<![a-z])(?:(?:tele|cell|smart)?phone|mobile|cell|tel|fax|whatsapp|wechat|hotline)"
    r"(?:\s?(?:numbers?|nos?|num))?"
    r"|(?:电话|手机|座机|热线|传真|微信|联系方式|联系人)(?:号码|号)?)[^\w\n]{0,4}$",
    re.IGNORECASE,
)
"""What announces a phone number, whatever else its words may announce."""
CARD_ISSUERS = re.compile(
    r"62[0-9]{14,17}|4[0-9]{15}(?:[0-9]{3})?|5[1-5][0-9]{14}"
    r"|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|35(?:2[89]|[3-8][0-9])[0-9]{12}|6(?:011[0-9]{12}|5[0-9]{14}|4[4-9][0-9]{13})"
    r"|9558[0-9]{15}"
)
"""UnionPay, Visa, Mastercard, American Express, JCB, Discover, older cards of ICBC."""
CARD_CONTEXT = re.compile(
    r"(?:卡号|银行卡|信用卡|借记卡|储蓄卡|[账帐][号户]|[Cc]ard|[Aa]ccount)[^0-9]{0,20}$"
)
OTHER_NUMBER = re.compile(
    r"(?:编号|案号|单号|序号|串号|字号|运单|第|ISBN|IMEI|[Dd]ocket|[Cc]ase|\b[Nn]os?\.|#)\W{0,3}$"
)
"""What announces a number of some other kind."""
LEAD_CHARS = 30


class Span(NamedTuple):
    """Where personal data stands in a text."""

    rule: str
    start: int
    end: int


def find_personal_data(text: str) -> list[Span]:
    """Places that hold personal data, in order, none inside another."""
    has_number = MAY_HOLD_NUMBER.search(text) is not None
    if not has_number and "@" not in text and "＠" not in text:
        return []
    view = text.translate(ASCII_FORMS)
    spans: list[Span] = []
    for rule, find in FINDERS.items():
        if rule == "email" or has_number:
            spans += [Span(rule, *span) for span in find(view) if not _overlaps(span, spans)]
    return sorted(spans, key=lambda span: span.start)


def mask(text: str, seen: str | None = None) -> str:
    """The text with stars in its personal data; its length stays.

    Args:
        text: Any text.
        seen: What is looked through in its place, of the same length.
    """
    for span in reversed(find_personal_data(text if seen is None else seen)):
        text = text[: span.start] + _stars(text[span.start : span.end]) + text[span.end :]
    return text


def redact(text: str, rules: Iterable[str]) -> str:
    """The text with a tag such as [PHONE] in place of each value of these rules."""
    wanted = frozenset(rules)
    while spans := [span for span in find_personal_data(text) if span.rule in wanted]:
        for span in reversed(spans):
            text = f"{text[: span.start]}[{span.rule.upper()}]{text[span.end :]}"
    return text


def _overlaps(span: tuple[int, int], others: Iterable[Span]) -> bool:
    return any(span[0] < other.end and other.start < span[1] for other in others)


def _stars(value: str) -> str:
    first = min(3, len(value) // 4)
    hidden = re.sub(r"[^@]", "*", value[first:-2])
    return value[:first] + hidden + value[-2:]


def _emails(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in EMAIL.finditer(text))


def _resident_ids(text: str) -> Iterator[tuple[int, int]]:
    return (m.span() for m in RESIDENT_ID.finditer(text) if is_resident_id(m.group()))


def _bank_cards(text: str) -> Iterator[tuple[int, int]]:
    for match in CARD.finditer(text):
        digits = re.sub("[ -]", "", match.group())
        lead = text[max(0, match.start() - LEAD_CHARS) : match.start()]
        is_announced = CARD_CONTEXT.search(lead) is not None
        is_issued = CARD_ISSUERS.fullmatch(digits) is not None and not OTHER_NUMBER.search(lead)
        if (is_announced or is_issued) and passes_luhn(digits):
            yield match.span()


def _phones(text: str) -> Iterator[tuple[int, int]]:
    """Phone numbers, looked for only where a run of digits is: the pattern is a slow one."""
    for run in MAY_HOLD_NUMBER.finditer(text):
        start = max(0, run.start() - 2)
        glued = (GLUED_PHONES.match(text, at) for at in range(start, run.start() + 1))
        first = next((m for m in glued if m and _is_announced(text, m.start())), None)
        if first is not None:
            start = first.end()
            yield first.span()
        for match in PHONES.finditer(text, start, run.end() + 2):
            n_digits = sum(map(str.isdigit, match.group()))
            if 8 <= n_digits <= 15 and not _is_other_number(text, match.start()):
                yield match.span()


def _is_announced(text: str, at: int) -> bool:
    return PHONE_CONTEXT.search(text[max(0, at - LEAD_CHARS) : at]) is not None


def _is_other_number(text: str, at: int) -> bool:
    lead = text[max(0, at - LEAD_CHARS) : at]
    return OTHER_NUMBER.search(lead) is not None and PHONE_CONTEXT.search(lead) is None


FINDERS: dict[str, Callable[[str], Iterator[tuple[int, int]]]] = {
    "email": _emails,
    "resident_id": _resident_ids,
    "bank_card": _bank_cards,
    "phone": _phones,
}
"""Rule -> spans in a text of ASCII digits; a place belongs to the first rule that finds it."""
