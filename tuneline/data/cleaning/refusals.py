"""Answers that decline, or that speak of themselves as an AI, in Chinese and English."""

import re

from tuneline.data.cleaning.personal_data import mask
from tuneline.records import Record

MAX_CHARS = 300
"""Longer English answers are more than a refusal; Chinese ones from half of it."""
AI = (
    "(?:an? (?:AI|artificial intelligence)(?: language)?(?: model| assistant| chatbot)?"
    "|a (?:large )?language model)"
)
AI_ZH = "(?:一个|一名|一款)?(?:人工智能|AI|大型?语言模型|语言模型|虚拟助手|聊天机器人)"
CANNOT = (
    "(?:can(?:no|')?t|can not|am (?:unable|not able|not programmed)|won't|will not be able"
    "|do(?:n't| not) have (?:the )?(?:ability|access|capabilit))"
)
CANNOT_ZH = "(?:无法|不能|没办法|没有(?:能力|权限|办法))"
REFUSAL = re.compile(
    r"(?:i'?m (?:very |really |so )?sorry|i am (?:very )?sorry|sorry|i apologi[sz]e)\b"
    rf"[^.!?\n]{{0,60}}?\bi\b[^.!?\n]{{0,20}}?{CANNOT}"
    rf"|as {AI}[^.!?\n]{{0,60}}?\bi\b[^.!?\n]{{0,20}}?{CANNOT}"
    r"|i (?:cannot|can't|can not|won't) "
    r"(?:fulfill|assist|help|comply|answer|provide|give|generate|create)\b"
    r"|(?:很|非常|十分)?(?:抱歉|对不起|不好意思|遗憾)"
    rf"[^。！？\n]{{0,20}}?我[^。！？\n]{{0,12}}?{CANNOT_ZH}"
    rf"|作为{AI_ZH}[^。！？\n]{{0,30}}?{CANNOT_ZH}"
    r"|我(?:无法|不能)(?:提供|回答|协助|满足|帮助|生成|完成|执行)",
    re.IGNORECASE,
)
BUT = re.compile(r"但|不过|然而|\b(?:however|but|nevertheless|that said)\b", re.IGNORECASE)
"""What follows is an answer all the same."""
DISCLAIMER = re.compile(
    rf"\bas {AI}\b|\bI(?:'m| am) (?:just |only )?{AI}\b|作为{AI_ZH}|我(?:只)?是{AI_ZH}"
    r"|knowledge cut-?off|my training data|我的训练数据",
    re.IGNORECASE,
)
DISCLAIMER_HINTS = (
    *("AI", "rtificial", "anguage model", "raining data", "nowledge cut"),
    *("人工智能", "语言模型", "虚拟助手", "聊天机器人", "训练数据"),
)
"""Parts of which every disclaimer has one: far quicker to look for than the pattern."""


def find_refusal(record: Record) -> tuple[str, int] | None:
    """A short answer that begins by declining and does not go on to answer all the same.

    Not where declining was asked for: in preference pairs, in wanted KTO answers, and beside
    tools that cannot do what the user asks.
    """
    if record.rejected is not None or record.is_desirable or record.tools is not None:
        return None
    answer = record.reference
    if len(answer) > MAX_CHARS // (1 if answer.isascii() else 2):
        return None
    match = REFUSAL.match(answer.replace("’", "'"))
    if match is None or BUT.search(answer, match.end()):
        return None
    return f"the answer declines: {mask(match.group())!r}", 0


def find_ai_disclaimer(record: Record) -> tuple[str, int] | None:
    """The answer speaks of itself as an AI."""
    answer = record.reference
    if not any(hint in answer for hint in DISCLAIMER_HINTS):
        return None
    match = DISCLAIMER.search(answer)
    return (f"the answer says {match.group()!r}", match.start()) if match else None
