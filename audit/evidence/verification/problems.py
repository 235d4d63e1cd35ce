"""Differences between the database and the transparency log."""

from typing import NamedTuple

_WORDS = {
    "altered": "was altered",
    "removed": "was removed",
    "inserted": "was inserted: the log does not have it",
    "missing": "is missing",
    "different": "is not the one of the tree",
    "beyond": "was inserted: no checkpoint has it",
    "unsigned": "has no valid signature",
    "fork": "is not a part of the log",
    "leafless": "was inserted: no leaf has it",
    "unfounded": "was inserted: there is no such checkpoint",
    "early": "was inserted: its checkpoint was signed later than it was accepted",
}


class Problem(NamedTuple):
    """A row that is not the one of the log: the kind of the difference, and the name of the row."""

    kind: str
    row: str

    def __str__(self) -> str:
        return f"{self.row} {_WORDS.get(self.kind, self.kind)}"


class Progress(NamedTuple):
    """A part of the comparison: the number of its records, and its problems."""

    records: int
    problems: list[Problem]
