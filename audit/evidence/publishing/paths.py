"""The paths of tiles and entries below that of a log (C2SP tlog-tiles)."""

import re
from typing import NamedTuple

from audit.evidence.merkle import WIDTH

#: The level in the path of a bundle of entries.
ENTRIES = "entries"

# Larger numbers do not fit in the columns of the database.
_MOST_GROUPS, _MOST_LEVELS = 5, 8
_PATH = re.compile(
    rf"tile/([0-9]|{ENTRIES})/((?:x[0-9]{{3}}/){{0,{_MOST_GROUPS}}}[0-9]{{3}})(?:\.p/([0-9]{{1,3}}))?"
)


class TilePath(NamedTuple):
    """A tile, or without a ``level`` the bundle of the entries of a tile of level 0.

    ``width`` is less than 256 for a partial tile.
    """

    level: int | None
    number: int
    width: int = WIDTH

    def __str__(self) -> str:
        groups = [f"{self.number % 1000:03}"]
        rest = self.number // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        level = ENTRIES if self.level is None else self.level
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"


def parse_path(path: str) -> TilePath | None:
    """Return the tile that a path names in its only spelling; None if it names none."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    level, number, width = match.groups()
    found = TilePath(
        None if level == ENTRIES else int(level),
        int(re.sub("[x/]", "", number)),
        WIDTH if width is None else int(width),
    )
    is_known = str(found) == path and (found.level or 0) < _MOST_LEVELS and found.width > 0
    return found if is_known else None
