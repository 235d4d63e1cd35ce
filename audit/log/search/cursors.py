"""Cursors of the search: places in the log, as written in URLs of pages."""

import re
from datetime import UTC, datetime
from typing import NamedTuple, Self

_WRITTEN = re.compile(r"(?P<at>[0-9T:.-]{19,26})Z~(?P<position>[0-9]{1,19})")
_FURTHEST = 2**63 - 1


class Cursor(NamedTuple):
    """A record's place in the order of pages: by time, then by position."""

    at: datetime
    position: int

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z~{self.position}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the cursor that a text contains.

        :raises ValueError: if the text is not a cursor.
        """
        written = _WRITTEN.fullmatch(text)
        if written is None or int(written["position"]) > _FURTHEST:
            message = "not a place in the log"
            raise ValueError(message)
        at = datetime.fromisoformat(written["at"]).replace(tzinfo=UTC)
        return cls(at, int(written["position"]))
