"""Logs: one JSON object a line on standard output, from this service and from its server alike."""

from __future__ import annotations

import logging
import re
import sys
import traceback
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

current_request_id: ContextVar[str | None] = ContextVar("current_request_id", default=None)
"""Whose request is being answered; its id goes with every line that is written meanwhile."""


def configure_logs(level: str = "info") -> None:
    """Sends this process's logs to standard output as JSON lines, those of libraries too.

    To be called by the entry points before anything is logged. The server's access log is off: its lines hold the raw
    path and query, and the service writes its own line for each request.
    """
    least = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(least),
        processors=[_complete],
        logger_factory=_StandardOutput,
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_ToStructlog()]
    root.setLevel(least)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        theirs = logging.getLogger(name)
        theirs.handlers = []
        theirs.propagate = True
        theirs.setLevel(logging.NOTSET)
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in ("httpx", "httpcore", "asyncio", "aiosqlite", "alembic"):
        logging.getLogger(chatty).setLevel(max(least, logging.WARNING))
    # their message has the statement and its values
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


class _StandardOutput:
    """The stream of log lines. Standard output is looked up each time, as a test or a daemon may replace it."""

    def __init__(self, *_names: Any) -> None:
        pass

    def msg(self, line: bytes) -> None:
        stream = sys.stdout.buffer
        # on a full disk or a closed pipe lines are lost; callers are answered all the same
        with suppress(OSError):
            stream.write(line)
            stream.flush()

    debug = info = warning = warn = error = critical = exception = msg


def _complete(logger: WrappedLogger, level: str, event: EventDict) -> tuple[tuple[bytes], dict[str, Any]]:
    """The line as it is written: time, level, event, request, then the event's own fields."""
    line: dict[str, Any] = {
        "at": datetime.now(UTC),  # when it was written down, which is no business of the service's clock
        "level": level,
        "event": event.pop("event", ""),
    }
    identifier = current_request_id.get()
    if identifier is not None:
        line["request_id"] = identifier
    failure = event.pop("exc_info", None)
    line.update(event)
    if failure:
        line["exception"] = described(sys.exc_info()[1] if failure is True else failure)
    return (orjson.dumps(line, default=str, option=_FORMAT),), {}


_FORMAT = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS


def described(error: Any) -> str:
    """The traceback of an exception, without what must not be in a log (see `without_secrets`)."""
    if isinstance(error, tuple):
        error = error[1]
    if not isinstance(error, BaseException):
        return ""
    return without_secrets("".join(traceback.format_exception(error)))


_SECRET = re.compile(
    r"""
    [^\s'"<>@=:,;(\[]+@[^\s'"<>@,;)\]]+                  # an e-mail address, or a password before a host
  | (?<![\w.:-])\+?\d[\d\s()-]{6,}\d(?![\w.:-])         # a telephone number
  | \b(?:dun|whsec|sk|rk|pk)_[\w-]+                      # a token or a secret by its prefix
  | \b[0-9a-fA-F]{32,}\b                                 # a digest or a signature
  | (?i:bearer|basic)\s+[\w+/=.~-]{8,}                   # a credential as a header holds it
  | \?[^\s"'?]*=[^\s"']*                                 # a query string
  | (?<=\[parameters:)[^\n]*                             # the values of a statement
  | (?<=input_value=)[^\n]*                              # the values of a document
  | (?<=DETAIL:)[^\n]*                                   # the values of a row
    """,
    re.VERBOSE,
)


def without_secrets(text: str) -> str:
    """`text` with everything blotted out that looks like a secret or a person's address or number."""
    return _SECRET.sub("[...]", text)


class _ToStructlog(logging.Handler):
    """Logging handler that passes the records of libraries to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = without_secrets(record.getMessage())
        except (TypeError, ValueError):
            message = without_secrets(str(record.msg))
        fields: dict[str, Any] = {"logger": record.name}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        write = getattr(structlog.get_logger(), record.levelname.lower(), structlog.get_logger().info)
        write("log", message=message, **fields)
