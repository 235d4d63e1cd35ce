"""Places in the log, as they stand in the addresses of pages."""

import re
from datetime import UTC, datetime
from typing import NamedTuple, Self

_WRITTEN = re.compile(r"(?P<at>[0-9T:.-]{19,26})Z~(?P<position>[0-9]{1,19})")
_FURTHEST = 2**63 - 1


class Cursor(NamedTuple):
    """A record's place in the order of pages: by time and, where that is equal, by position."""

    at: datetime
    position: int

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z~{self.position}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what was written.

        :raises ValueError: if that is no place.
        """
        written = _WRITTEN.fullmatch(text)
        if written is None or int(written["position"]) > _FURTHEST:
            message = "not a place in the log"
            raise ValueError(message)
        at = datetime.fromisoformat(written["at"]).replace(tzinfo=UTC)
        return cls(at, int(written["position"]))
