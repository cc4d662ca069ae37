"""The log: one line of JSON for each thing that happens, and what a request is called in it."""

import logging
import random
import re
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

_ids = random.Random()  # nobody needs to be unable to guess them; the system's costs more
_PLAIN_ID = re.compile(rb"[\w.:/+=-]{1,128}", re.ASCII)
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes a record with its extra fields.

    Example:
        >>> record = logging.makeLogRecord({"msg": "request", "levelname": "INFO", "status": 200})
        >>> JsonFormatter().format(record)[40:]
        '"level":"info","event":"request","status":200}'
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": record.levelname.lower(), "event": record.getMessage()}
        line |= {name: each for name, each in record.__dict__.items() if name not in _OWN}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def write_logs(level: str = "info") -> None:
    """Write the server's log, and that of what it is built on, to standard error."""
    # What no line says need not be looked up for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    for name, least in (("serving.server", level.upper()), ("uvicorn.error", "WARNING")):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(least)


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return what a request is called: as its `x-request-id` says, if that is plain, or anew.

    Example:
        >>> request_id([(b"x-request-id", b"a1")]), len(request_id([(b"x-request-id", b"?")]))
        ('a1', 32)
    """
    given = dict(headers).get(b"x-request-id", b"")
    return given.decode() if _PLAIN_ID.fullmatch(given) else f"{_ids.getrandbits(128):032x}"
