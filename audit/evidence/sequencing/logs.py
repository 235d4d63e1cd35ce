"""The current log: that of the current epoch, continued at its last checkpoint or begun."""

from typing import NamedTuple
from urllib.parse import urlsplit

from django.utils import timezone

from audit.evidence import entries
from audit.evidence.merkle import EMPTY_ROOT
from audit.evidence.models import SignedCheckpoint, TransparencyLog
from audit.evidence.sequencing import signed
from audit.installation.settings import countersign
from audit.log.feed import Place


class Start(NamedTuple):
    """The end of a log: its size and root, and the place of the last record with a leaf."""

    log: TransparencyLog
    size: int
    root: bytes
    place: Place


def start(number: int) -> Start:
    """Return where the log of an epoch is continued. One that begins is not saved yet."""
    log = TransparencyLog.objects.filter(number=number).first()
    if log is None:
        return _beginning(number)
    last = last_checkpoint(number)
    return Start(log, last.size, bytes(last.root), place_of_checkpoint(last))


def first_entry(log: TransparencyLog) -> bytes:
    """Return the entry of the leaf with the index 0."""
    former = None
    if log.former and log.former_size:
        committed = SignedCheckpoint.objects.get(log=log.former.number, size=log.former_size)
        former = (log.former.origin, committed.size, bytes(committed.root))
    return entries.log_entry(
        number=log.number, origin=log.origin, began_at=log.began_at, former=former
    )


def last_checkpoint(log: int) -> SignedCheckpoint:
    """Return the newest signed checkpoint; each log has one from its beginning.

    :raises DoesNotExist: if there is none.
    """
    found = signed.newest(log)
    if found is None:
        raise SignedCheckpoint.DoesNotExist(f"Log {log} has no signed checkpoint.")
    return found


def place_of_checkpoint(checkpoint: SignedCheckpoint) -> Place:
    return Place(checkpoint.epoch, checkpoint.xid, checkpoint.position)


def origin() -> str:
    """Return the name of logs, without a number."""
    return countersign().log_origin or f"{urlsplit(countersign().base_url).netloc}/log".lstrip("/")


def _beginning(number: int) -> Start:
    log = TransparencyLog(number=number, origin=f"{origin()}/{number}", began_at=timezone.now())
    log.former = TransparencyLog.objects.order_by("-number").first()
    if log.former is None:
        return Start(log, 0, EMPTY_ROOT, Place())
    last = last_checkpoint(log.former.number)
    log.former_size = last.size
    return Start(log, 0, EMPTY_ROOT, place_of_checkpoint(last))
