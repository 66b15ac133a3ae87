"""Log lines as JSON, each with the run, domain and release that it belongs to."""

import json
import logging
import os
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime

FORMAT = "TUNELINE_LOG"
"""Variable: `json` for one JSON object a line."""

_fields: ContextVar[Mapping[str, str]] = ContextVar("log fields", default={})  # noqa: B039 (a constant)


def bind(**fields: str) -> None:
    """Give all later lines of this thread or task fields: `run`, `domain`, `release`."""
    _fields.set({**_fields.get(), **fields})


def is_json() -> bool:
    """Whether JSON is asked for."""
    return os.environ.get(FORMAT, "").lower() == "json"


class JsonFormatter(logging.Formatter):
    """One object a line: time, level, logger, message, the bound fields, the error."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields.get(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def write_json() -> None:
    """Write lines of `tuneline` from INFO on as JSON to stderr; a second call changes nothing."""
    logger = logging.getLogger("tuneline")
    if any(isinstance(handler.formatter, JsonFormatter) for handler in logger.handlers):
        return
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
