"""Numbers with their units, read from English and Chinese text."""

import re
import unicodedata
from dataclasses import dataclass

_UNITS: tuple[tuple[str, str, float], ...] = (
    (r"%|percent\b|per\s+cent\b", "percent", 1),
    (r"‰", "percent", 0.1),
    (r"年|years?\b|yrs?\b", "month", 12),
    (r"个月|months?\b", "month", 1),
    (r"周|weeks?\b", "day", 7),
    (r"日|天|days?\b", "day", 1),
    (r"个?小时|hours?\b", "minute", 60),
    (r"分钟|minutes?\b", "minute", 1),
    (r"元|圆|人民币|yuan\b|rmb\b|cny\b", "CNY", 1),
    (r"美元|dollars?\b|usd\b", "USD", 1),
    (r"欧元|euros?\b|eur\b", "EUR", 1),
    (r"英镑|pounds?\b|gbp\b", "GBP", 1),
)
"""What follows a number -> the quantity it measures, and the unit's size in the least one."""
_SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "CNY"}
_SCALES = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}

_NUMERAL = "零〇一二三四五六七八九十百千万亿两廿壹贰叁肆伍陆柒捌玖拾佰仟萬億"
_MULTIPLE = "十百千万亿拾佰仟萬億"
_NUMBER = re.compile(
    rf"""(?P<symbol>[$€£¥])?\s*
    (?P<percent>百分之)?
    (?P<sign>(?<![\w)\]])[-\u2212]|负)?
    (?P<value>
        (?<![A-Za-z\d.])(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?(?:[{_MULTIPLE}][{_NUMERAL}\d]*)?
        | [{_NUMERAL}]+(?:点[{_NUMERAL}]+)?
    )
    (?:\s*(?P<scale>{"|".join(_SCALES)})\b)?
    (?:\s*(?P<unit>{"|".join(pattern for pattern, _, _ in _UNITS)}))?""",
    re.VERBOSE | re.IGNORECASE,
)
_CHINESE = re.compile(f"[{_NUMERAL}]")
_BETWEEN = re.compile(r"[\s,、零又]*(?:and\s*)?")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number as a text states it."""

    value: float
    """In the unit that the text uses."""
    kind: str = ""
    """What it measures: percent, month, day, minute, a currency; empty without a unit."""
    unit_size: float = 1
    """Its unit in the kind's least one, such as 12 months for a year."""

    @property
    def size(self) -> float:
        """The value in the kind's least unit."""
        return self.value * self.unit_size


def quantities(text: str) -> list[Quantity]:
    """The numbers of a text in order; the parts of one duration (`3年6个月`) are one number.

    Thousands separators, full-width digits, `1.2 million`, `百分之五`, `3.5万元` and Chinese
    numerals are read. A Chinese numeral without a unit counts only where it is the whole text:
    一般 and 第三方 state no number.
    """
    plain = unicodedata.normalize("NFKC", text)
    found: list[Quantity] = []
    end = -1
    for match in _NUMBER.finditer(plain):
        quantity = _quantity(match, is_all=match["value"] == plain.strip(" .。"))
        if quantity is None:
            continue
        joins = end >= 0 and _BETWEEN.fullmatch(plain, end, match.start()) is not None
        if joins and _is_part(found[-1], quantity):
            found[-1] = _sum(found[-1], quantity)
        else:
            found.append(quantity)
        end = match.end()
    return found


def _quantity(match: re.Match[str], is_all: bool) -> Quantity | None:
    is_chinese = not match["value"][0].isascii()
    kind, unit_size = _unit(match)
    if is_chinese and not (kind or is_all):
        return None
    value = _value(match["value"])
    if value is None:
        return None
    scale = _SCALES.get((match["scale"] or "").lower(), 1)
    return Quantity((-1 if match["sign"] else 1) * value * scale, kind, unit_size)


def _unit(match: re.Match[str]) -> tuple[str, float]:
    """What a number measures, and its unit in the least one."""
    if match["percent"]:
        return "percent", 1
    if match["symbol"]:
        return _SYMBOLS[match["symbol"]], 1
    for pattern, kind, size in _UNITS if match["unit"] else ():
        if re.fullmatch(pattern, match["unit"], re.IGNORECASE):
            return kind, size
    return "", 1


def _value(text: str) -> float | None:
    """The value of digits, Chinese numerals or both; None where they make no number."""
    plain = text.replace(",", "")
    if not _CHINESE.search(plain):
        return float(plain)
    import cn2an

    try:
        return float(cn2an.cn2an(plain, "smart"))
    except ValueError:
        return None


def _is_part(whole: Quantity, part: Quantity) -> bool:
    """Whether `6个月` goes on what `3年` began."""
    return bool(part.kind) and whole.kind == part.kind and whole.unit_size > part.unit_size


def _sum(whole: Quantity, part: Quantity) -> Quantity:
    value = (whole.size + part.size) / whole.unit_size
    return Quantity(value, whole.kind, whole.unit_size)
