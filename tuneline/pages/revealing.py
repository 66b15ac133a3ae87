"""Texts of strangers on a page: what cannot be seen is spelled out."""

import unicodedata

SPACES = {" ": "␣", "\n": "↵", "\t": "⇥"}
JOINERS = "\u200c\u200d"
"""Emoji, Persian and Indic scripts are spelled with them."""


def reveal(text: str, is_changed: bool = False) -> str:
    r"""The text with control, format and surrogate characters as escapes such as \u200b.

    Args:
        text: Any text.
        is_changed: Show combining marks, joiners, spaces and line ends too.
    """
    return "".join(_reveal(char, is_changed) for char in text)


def _reveal(char: str, is_changed: bool) -> str:
    if char in SPACES:
        return SPACES[char] if is_changed else char
    category = unicodedata.category(char)
    is_hidden = category in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in JOINERS
    is_odd = is_changed and (category in ("Mn", "Zs") or char in JOINERS)
    return ascii(char)[1:-1] if is_hidden or is_odd else char
