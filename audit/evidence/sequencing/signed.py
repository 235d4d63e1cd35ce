"""The checkpoints that the keys of a log have signed.

Who can insert rows without a key, such as the owner of the tables, cannot sign. Such rows are
skipped by readers and by the sequencer, so they neither hide the newest checkpoint nor move its
place.
"""

from collections.abc import Sequence

from django.db.models import Q

from audit.evidence import notes
from audit.evidence.checkpoints import Checkpoint, parse_checkpoint
from audit.evidence.models import SignedCheckpoint, TransparencyLog
from audit.evidence.notes import InvalidNote, MalformedNote, Verifier
from audit.evidence.sequencing import keys


def newest(log: int, among: Q | None = None) -> SignedCheckpoint | None:
    """Return the newest signed checkpoint of a log, of all or of some."""
    rows = SignedCheckpoint.objects.filter(among or Q(), log=log).order_by("-size")
    trusted = keys.trusted(log)
    found = rows.first()
    while found and not is_signed(found, trusted):
        found = rows.filter(size__lt=found.size).first()
    return found


def newest_of_all() -> SignedCheckpoint | None:
    """Return the newest signed checkpoint of the newest log that has one of a key used now."""
    numbers = list(TransparencyLog.objects.order_by("-number").values_list("number", flat=True))
    ours = next((each for each in numbers if keys.are_used(keys.verifiers(each))), None)
    found = (newest(each) for each in ([ours] if ours is not None else numbers))
    return next(filter(None, found), None)


def is_signed(row: SignedCheckpoint, verifiers: Sequence[Verifier]) -> bool:
    """Return True if one of the keys has signed the size and the root of a row."""
    found = signed_checkpoint(row.note, verifiers)
    return found is not None and (found.size, found.root) == (row.size, bytes(row.root))


def signed_checkpoint(note: str, verifiers: Sequence[Verifier]) -> Checkpoint | None:
    """Return the checkpoint of a note; None if none of these keys has signed it."""
    try:
        opened = notes.verify(notes.parse(note), verifiers)
        found = parse_checkpoint(opened.text)
    except (InvalidNote, MalformedNote):
        return None
    is_own = any(each.name == found.origin for each in opened.signatures)
    return found if is_own else None
