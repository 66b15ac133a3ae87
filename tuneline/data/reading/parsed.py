"""What a format makes of a row."""

from typing import NamedTuple

from tuneline.records import Message


class Parsed(NamedTuple):
    """The parts of a record that come from the row."""

    messages: tuple[Message, ...]
    rejected: str | None = None
    is_desirable: bool | None = None
