"""Text that was decoded by the wrong encoding: mended where ftfy can, else found."""

import re
from functools import cache

LEAD_BYTE = re.compile("[\x80-\x9f\xac\xc0-\xd6\xd8-\u024f\u0400-\u045f\u201a\u221a]")
"""First bytes of UTF-8 as other encodings show them. × is left out: it hides names in judgments."""
COMMON_WORDS = ("合同", "法律", "规定", "责任", "应当", "根据", "因为", "我们", "请问", "你好")
GARBLED = ("锟斤", "烫烫烫烫", "屯屯屯屯", *(word.encode().decode("gbk") for word in COMMON_WORDS))
"""Lost characters and unset memory as GBK shows them, then common words in UTF-8 read as GBK."""
REPLACEMENT = "\ufffd"
GB_AS_LATIN = re.compile("[\xb0-\xd7][\xa1-\xfe](?:[\xb0-\xd7][\xa1-\xfe])+")
HANZI = re.compile("[\u4e00-\u9fff]")


def mend_mojibake(text: str) -> str:
    """UTF-8 that was read as Latin-1, Windows-125x or MacRoman becomes what it was.

    ftfy's `fix_encoding` line by line: quotes, widths and ligatures stay as they are.
    """
    if text.isascii() or not LEAD_BYTE.search(text):
        return text
    from ftfy.badness import is_bad

    if not is_bad(text):
        return text
    return "\n".join(_fix(line) if is_bad(line) else line for line in text.split("\n"))


def _fix(line: str) -> str:
    """One line through ftfy, which takes ×“ for a Hebrew letter; in Chinese it hides a name."""
    import ftfy

    if HANZI.search(line) and "\ue000" not in line:
        return ftfy.fix_encoding(line.replace("×", "\ue000")).replace("\ue000", "×")
    return ftfy.fix_encoding(line)


def find_mojibake(text: str) -> int | None:
    """Offset of text that was decoded wrongly beyond repair; None where there is none."""
    if text.isascii():
        return None
    if any(garbled in text for garbled in GARBLED):
        return min(text.index(garbled) for garbled in GARBLED if garbled in text)
    for find in (_utf8_as_gbk, _gb2312_as_latin):
        if (at := find(text)) is not None:
            return at
    return None


@cache
def _leads() -> re.Pattern[str]:
    """What the first two bytes of a Chinese character in UTF-8 look like in GBK: 鍚, 鐨, 锛."""
    pairs = (bytes([lead, trail]) for lead in range(0xE3, 0xEA) for trail in range(0x80, 0xC0))
    found = (pair.decode("gbk", "ignore") for pair in [*pairs, b"\xef\xbc"])
    return re.compile(f"[{''.join(found)}]")


@cache
def _close_leads() -> re.Pattern[str]:
    leads = _leads().pattern
    return re.compile(f"{leads}.{{0,3}}?{leads}")


def _utf8_as_gbk(text: str) -> int | None:
    """合同 read as 鍚堝悓: most hanzi, put back into bytes, are UTF-8 again."""
    match = _close_leads().search(text)
    if match is None:
        return None
    n_hanzi = len(HANZI.findall(text))
    if len(_leads().findall(text)) < 0.2 * n_hanzi:
        return None
    was = text.encode("gb18030", "ignore").decode("utf-8", "ignore")
    return match.start() if len(HANZI.findall(was)) >= 0.4 * n_hanzi else None


def _gb2312_as_latin(text: str) -> int | None:
    """合同 read as ºÏÍ¬: pairs of high Latin-1 letters, as common hanzi have in GB 2312.

    Rows of one or two signs are something else: ×××× stands for names that were taken out.
    """
    runs = GB_AS_LATIN.finditer(text)
    return next((run.start() for run in runs if len(set(run.group())) > 2), None)
