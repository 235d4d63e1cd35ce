"""Messages and tracebacks of errors without values of rows, which PostgreSQL quotes in them."""

import re
import traceback
from collections.abc import Iterator

# Invalid, too long or out of range: the message quotes the value, and nothing else.
_DATA_EXCEPTION = "22"
_QUOTATION = re.compile('".*"', re.DOTALL)
# The attributes of psycopg's diagnosis that may quote values, of rows or of the statement.
_QUOTING = ("message_detail", "context", "internal_query")
_REDACTED = "[redacted]"


def message_of(error: BaseException) -> str:
    """Return the message of an error; of a database error the primary one, without values."""
    diagnosis = getattr(error, "diag", None) or getattr(error.__cause__, "diag", None)
    message = getattr(diagnosis, "message_primary", None)
    if not message:
        return str(error)
    if str(diagnosis.sqlstate).startswith(_DATA_EXCEPTION):  # type: ignore[union-attr]
        return _QUOTATION.sub(f'"{_REDACTED}"', message)
    return str(message)


def traceback_of(error: BaseException) -> str:
    """Return the traceback of an error; it does not quote values of rows or of statements."""
    text = "".join(traceback.format_exception(error))
    for each in _chain(error):
        if diagnosis := getattr(each, "diag", None):
            # An excerpt of the statement, details and context follow the primary message.
            text = text.replace(str(each), message_of(each)) if str(each) else text
            for quoting in filter(None, (getattr(diagnosis, name, None) for name in _QUOTING)):
                text = text.replace(quoting, _REDACTED)
    return text


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it followed, once each: one may follow itself."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
