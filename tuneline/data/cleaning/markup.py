"""HTML left over from web pages; markup that a record is about stays."""

import html
import re
from collections.abc import Iterable

ENTITY = re.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,24}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
BLOCK = re.compile(
    r"<(?:br|hr|/?(?:p|div|ul|ol|li|tr|table|tbody|thead|h[1-6]|center))"
    r"(?:\s+[a-z-]+=(?:\"[^\"<>]*\"|'[^'<>]*'))*\s*/?>\s*",
    re.IGNORECASE,
)
INLINE = re.compile(
    r"</?(?:span|font|strong|td|th)(?:\s+[a-z-]+=(?:\"[^\"<>]*\"|'[^'<>]*'))*\s*>", re.IGNORECASE
)
PAIR = re.compile(
    r"<(b|i|u|em|a)((?:\s+[a-z-]+=(?:\"[^\"<>]*\"|'[^'<>]*'))*)\s*>([^<>]*)</\1\s*>", re.IGNORECASE
)
ABOUT_MARKUP = re.compile(
    r"```|<code|<pre|<script|<style|<html|<head|<body|<!|<\?|</?(?:form|input|button|svg)\b"
    r"|\bclass=|html|css|xml|javascript|\bjs\b|php|react|jsx|markup|标签|标记|网页|代码",
    re.IGNORECASE,
)


def is_about_markup(texts: Iterable[str]) -> bool:
    """Whether a record talks of code or markup, so that its tags and entities are meant."""
    return any(ABOUT_MARKUP.search(text) for text in texts)


def mend_html(text: str) -> str:
    """Entities become characters; tags that only lay text out become line breaks or go.

    Only named HTML elements are tags: `<eoa>`, `a < b`, `List<int>` and 《》 stay, and so do
    `<sup>` and `<sub>`, without which a formula says something else. JSON stays as it is.
    """
    if text.lstrip().startswith(("{", "[{", "[[")):
        return text
    if "&" in text:
        text = _unescape(text)
    if "<" in text and ">" in text:
        text = _strip_tags(text)
    return text


def _unescape(text: str) -> str:
    while (plain := ENTITY.sub(lambda match: html.unescape(match.group()), text)) != text:
        text = plain
    return text


def _strip_tags(text: str) -> str:
    text = BLOCK.sub("\n", text)
    text = INLINE.sub("", text)
    return PAIR.sub(r"\3", text)
