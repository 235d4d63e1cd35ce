"""The keys of a log: those that sign, and the leaves by which they begin and end."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple

from audit.evidence.models import LogKey
from audit.evidence.notes import MalformedNote, Signer, Verifier
from audit.installation.settings import countersign


class Change(NamedTuple):
    """A key whose signatures begin or end."""

    verifier_key: str
    begins: bool


class Period(NamedTuple):
    """A public key, and the time in which it has signed, or signs."""

    log: int
    verifier_key: str
    began_at: datetime
    ended_at: datetime | None


def signers(origin: str) -> list[Signer]:
    """Return the keys of LOG_KEYS, under the name of a log."""
    return [Signer(origin, seed) for seed in countersign().log_keys.values()]


def changes(log: int, used: list[Signer]) -> list[Change]:
    """Return the changes since the last leaf of a key, compared with the keys used now."""
    stored = [each.verifier_key for each in periods(log) if each.ended_at is None]
    now = [str(signer.verifier) for signer in used]
    ended = [Change(key, begins=False) for key in stored if key not in now]
    return [*(Change(key, begins=True) for key in now if key not in stored), *ended]


def periods(log: int) -> list[Period]:
    """Return the keys of a log with their times, in the order in which they began."""
    found: list[Period] = []
    for row in LogKey.objects.filter(log=log).order_by("index"):
        if row.begins:
            found.append(Period(log, row.verifier_key, row.at, None))
        else:
            found = [_ended(each, row) for each in found]
    return found


def verifiers(log: int) -> list[Verifier]:
    """Return every key that has signed a log."""
    found = []
    for key in dict.fromkeys(each.verifier_key for each in periods(log)):
        # A malformed row must not keep the others from their readers.
        with suppress(MalformedNote):
            found.append(Verifier.parse(key))
    return found


def trusted(log: int) -> list[Verifier]:
    """Return the keys of a log whose signatures count: those used now, or else all of them.

    The owner of the tables may insert the row of a key, but not of one that is used.
    """
    published, used = verifiers(log), _used()
    return [each for each in published if each.public_key in used] or published


def are_used(verifiers: Iterable[Verifier]) -> bool:
    """Return True if one of the keys is in LOG_KEYS."""
    used = _used()
    return any(each.public_key in used for each in verifiers)


def _used() -> set[bytes]:
    return {each.verifier.public_key for each in signers("x")}


def _ended(period: Period, row: LogKey) -> Period:
    is_this = period.verifier_key == row.verifier_key and period.ended_at is None
    return period._replace(ended_at=row.at) if is_this else period
