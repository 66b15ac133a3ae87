"""Plain text of questions and answers: `Q: ... A: ...` or `问：... 答：...` blocks."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from tuneline.data.reading.json_lines import read_lines, too_long
from tuneline.data.reading.rows import BadRow, Row, Rows

QUESTION_WORDS = r"(?:Questions?|问题|提问|Q|问)"
ANSWER_WORDS = r"(?:Answers?|回答|答案|A|答)"
NUMBER_AND_COLON = r"\s*\d*\s*[:：]"
QUESTION = re.compile(rf"^\s*{QUESTION_WORDS}{NUMBER_AND_COLON}", re.IGNORECASE)
ANSWER_LINE = re.compile(
    rf"^[^\S\n]*{ANSWER_WORDS}{NUMBER_AND_COLON}", re.IGNORECASE | re.MULTILINE
)
ANSWER_INSIDE = re.compile(r"(?<=\s)(?:Answer|A)\s?\d*:|(?:回答|答案|答)\s?\d*[:：]")


def looks_like_questions(head: str) -> bool:
    """Whether some line begins a question."""
    return any(QUESTION.match(line) for line in head.split("\n"))


def plain_text_rows(stream: BinaryIO, encoding: str) -> Rows:
    """One row `{question, answer}` a block, numbered by its first line."""
    for block in _blocks(stream, encoding):
        if isinstance(block, BadRow):
            yield block
        elif block[1].strip():
            yield _as_row(*block)


def _blocks(stream: BinaryIO, encoding: str) -> Iterator[BadRow | tuple[int, str]]:
    """First line and text from one question to the next."""
    start, lines = 1, list[str]()
    for number, data, is_too_long in read_lines(stream):
        if is_too_long:
            yield too_long(number, data)
            continue
        text = data.decode(encoding).replace("\r\n", "\n")
        if QUESTION.match(text) or not "".join(lines).strip():
            yield start, "".join(lines)
            start, lines = number, []
        lines.append(text)
    yield start, "".join(lines)


def _as_row(number: int, block: str) -> Row | BadRow:
    marker = QUESTION.match(block)
    body = block[marker.end() :] if marker else block
    answers = list(ANSWER_LINE.finditer(body)) or list(ANSWER_INSIDE.finditer(body))[:1]
    if not marker:
        detail = "no question comes before this text; begin one with 'Q:' or '问：'"
        return BadRow(number, "missing_prompt", detail, block)
    if len(answers) > 1:
        detail = "two answers follow one question; begin each question with 'Q:' or '问：'"
        return BadRow(number, "roles_out_of_order", detail, block)
    question = body[: answers[0].start()] if answers else body
    answer = body[answers[0].end() :] if answers else ""
    return Row(number, {"question": question.strip(), "answer": answer.strip()})
