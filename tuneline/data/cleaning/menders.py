"""Rules that change text without changing what it says."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection

from tuneline.data.cleaning.markup import is_about_markup, mend_html
from tuneline.data.cleaning.mojibake import mend_mojibake
from tuneline.data.cleaning.personal_data import ASCII_FORMS, find_personal_data
from tuneline.data.cleaning.texts import (
    LEAD_CHARS,
    Draft,
    change_finding,
    excerpt,
    first_difference,
    texts_of,
    with_texts,
)
from tuneline.data.drops import EXCERPT_CHARS, Finding
from tuneline.records import Record

MAX_PASSES = 10
SURROGATE = re.compile("[\ud800-\udfff]")
LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
# The joiners U+200C and U+200D stay: emoji, Persian and Indic scripts are spelled with them.
# So do the tag characters that follow U+1F3F4: they make the flags of England and Scotland.
INVISIBLE = re.compile(
    "(\U0001f3f4[\U000e0020-\U000e007f]+)"
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
SUSPECT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\xa0\xac\xad\xc0-\xd6\xd8-\u024f\u0400-\u045f\u1680\u2000-\u200b"
    "\u200e\u200f\u201a\u2028-\u202f\u205f-\u2064\u2066-\u206f\u221a\ud800-\udfff\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
"""Without one of these, line ends, unseen characters and encoding are in order."""
SUSPICIOUS_ONLY = frozenset({"surrogates", "mojibake", "line_ends", "invisible"})
ODD_SPACES = re.compile("[\xa0\u1680\u2000-\u200a\u202f\u205f]")
MARKUP = re.compile("[&<]")
AROUND_CHARS = 2_000
"""How far around an excerpt text is mended to look for personal data in it: entities are long."""
BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){3,}")


def mend_record(record: Record, rules: Collection[str]) -> Draft:
    """Mend every text by these rules, again and again until none finds work."""
    texts, findings = texts_of(record), dict[str, Finding]()
    calm_rules = [rule for rule in rules if rule not in SUSPICIOUS_ONLY]
    for _ in range(MAX_PASSES):
        before = list(texts)
        for n, text in enumerate(before):
            needed = rules if SUSPECT.search(text) else calm_rules
            for rule in needed:
                _mend_text(record, rule, texts, n, findings)
        if texts == before:
            break
    return Draft(with_texts(record, texts), tuple(findings.values())) if findings else Draft(record)


def _mend_text(
    record: Record, rule: str, texts: list[str], n: int, findings: dict[str, Finding]
) -> None:
    """Mend text n in place by one rule, and keep the record's first change by that rule."""
    text = texts[n]
    mended = MENDERS[rule](text)
    if mended == text or (rule == "html" and is_about_markup(texts)):
        return
    texts[n] = mended
    if rule not in findings:
        findings[rule] = _finding(record, rule, text, mended)


def _finding(record: Record, rule: str, before: str, after: str) -> Finding:
    """The finding for a mended text; the masked text alone where the change uncovers a value."""
    if (shown := _undisguised(before, first_difference(before, after))) is None:
        return change_finding(record, rule, "mended", before, after)
    return Finding(record.source, record.place, rule, "mended", shown, shown)


def _undisguised(text: str, at: int) -> str | None:
    """The excerpt as all menders leave it, where it holds personal data that the text disguises."""
    start = max(0, at - AROUND_CHARS)
    piece = text[start : at + AROUND_CHARS]
    if not may_be_disguised(piece):
        return None
    plain, lead = plain_text(piece), len(plain_text(text[start:at]))
    first, last = lead - LEAD_CHARS, lead - LEAD_CHARS + EXCERPT_CHARS
    is_shown = any(s.start < last and first < s.end for s in find_personal_data(plain))
    return excerpt(plain, lead) if is_shown and _values(plain) - _values(piece) else None


def _values(text: str) -> Counter[str]:
    """Personal data that patterns see, by letters and digits."""
    values = (text[start:end].translate(ASCII_FORMS) for _, start, end in find_personal_data(text))
    return Counter("".join(filter(str.isalnum, value)) for value in values)


def plain_text(text: str) -> str:
    """The text as all menders leave it, whatever a profile says and a record is about."""
    if not may_be_disguised(text):
        return text
    for _ in range(MAX_PASSES):
        before = text
        for mend in MENDERS.values():
            text = mend(text)
        if text == before:
            break
    return text


def may_be_disguised(text: str) -> bool:
    """Whether it holds unseen characters or markup, which may stand inside of personal data."""
    return SUSPECT.search(text) is not None or MARKUP.search(text) is not None


def join_surrogates(text: str) -> str:
    """Pairs become the character that they stand for; halves, as a cut leaves them, go."""
    if not SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")


def unify_line_ends(text: str) -> str:
    """Every kind of line, paragraph or page break becomes a line feed."""
    return LINE_ENDS.sub("\n", text)


def strip_invisible(text: str) -> str:
    """No control, zero-width or direction characters."""
    return INVISIBLE.sub(r"\1", text)


def compose(text: str) -> str:
    """NFC. Not NFKC: it turns Chinese punctuation into ASCII in most sentences."""
    return unicodedata.normalize("NFC", text)


def tidy_whitespace(text: str) -> str:
    """Trimmed, plain spaces for odd ones, at most two blank lines together.

    Indents, tabs, blanks at line ends (a line break in Markdown) and the ideographic space stay.
    """
    if not text.isascii():
        text = ODD_SPACES.sub(" ", text)
    if "\n" in text:
        text = BLANK_LINES.sub("\n\n\n", text)
    return text.strip()


MENDERS: dict[str, Callable[[str], str]] = {
    "surrogates": join_surrogates,
    "html": mend_html,
    "mojibake": mend_mojibake,
    "line_ends": unify_line_ends,
    "invisible": strip_invisible,
    "nfc": compose,
    "whitespace": tidy_whitespace,
}
"""Rule -> text to mended text; the same object where there was nothing to do."""
