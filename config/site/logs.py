"""Log lines on standard error, one JSON object each, with no data from callers except paths."""

import logging
import re
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from audit.messages.tracebacks import traceback_of

# As long as a token, with letters and digits. The hashes in names of static files are shorter.
_LONG = re.compile(r"[\w+=-]{20,}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def configure() -> None:
    """Send structlog's own loggers through the same handler as all others."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def settings(*, layout: str, level: str) -> dict[str, Any]:
    """Return Django's LOGGING for a layout, `json` or `console`, and a minimum level."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *_RENDERERS[layout],
                ],
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": "NOTSET"},
            # request_log already logs each request with its status.
            "django.request": {"level": "ERROR"},
        },
    }


def masked(path: str) -> str:
    """Return a path with anything secret-like masked, such as the token of a password link."""
    return _LONG.sub(_mask, path)


def _mask(found: re.Match[str]) -> str:
    text = found[0]
    is_mixed = re.search(r"\d", text) and re.search(r"[A-Za-z]", text)
    return "[masked]" if is_mixed and not _UUID.fullmatch(text) else text


def _without_callers_data(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Drop headers and query strings: they come from callers and may contain secrets."""
    event.pop("user_agent", None)
    for name in ("request", "event"):
        if isinstance(event.get(name), str):
            event[name] = masked(event[name])
    if isinstance(event.get("request"), str):
        event["request"] = event["request"].partition("?")[0]
    return event


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _without_callers_data,
]
# Plain tracebacks in both: structlog's rich ones show local variables, including secrets.
_TRACEBACK = structlog.processors.ExceptionRenderer(lambda error: traceback_of(error[1]).rstrip())
_RENDERERS: dict[str, list[Processor]] = {
    "json": [_TRACEBACK, structlog.processors.JSONRenderer()],
    "console": [_TRACEBACK, structlog.dev.ConsoleRenderer(colors=False)],
}
LAYOUTS = tuple(_RENDERERS)
LEVELS = tuple(logging.getLevelName(level) for level in (20, 10, 30, 40, 50))
