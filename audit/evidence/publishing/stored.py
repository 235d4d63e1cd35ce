"""The stored content of a log, as it is published."""

from contextlib import suppress

from django.db.models import Q

from audit.evidence import notes, tiles
from audit.evidence.merkle import HASH_SIZE, WIDTH
from audit.evidence.models import Publication, SignedCheckpoint
from audit.evidence.notes import InvalidNote, MalformedNote, Verifier
from audit.evidence.publishing.leaves import leaves_between
from audit.evidence.publishing.paths import TilePath
from audit.evidence.sequencing import keys, signed
from audit.installation.settings import countersign

_LONGEST_ENTRY = 2**16


def witnessed_checkpoint(log: int) -> SignedCheckpoint | None:
    """Return the newest checkpoint that a witness has cosigned."""
    cosigned = Publication.objects.filter(log=log).exclude(cosignature="")
    return signed.newest(log, Q(size__in=cosigned.values("size")))


def cosigned_note(checkpoint: SignedCheckpoint) -> str:
    """Return the note of a checkpoint with the cosignatures of its witnesses.

    Of those in LOG_WITNESSES, an invalid one is left out: it would make others refuse the note.
    """
    note, known = notes.parse(checkpoint.note), _witness_keys()
    sent = Publication.objects.filter(log=checkpoint.log, size=checkpoint.size)
    lines = sent.exclude(cosignature="").order_by("pk").values_list("cosignature", flat=True)
    signatures = []
    for line in lines:
        # A malformed row must not keep the others from their readers.
        with suppress(MalformedNote, InvalidNote):
            signature = notes.parse_signature(line)
            if key := known.get((signature.name, signature.key_id)):
                key.verify(note.text, signature)
            signatures.append(signature)
    return str(note.with_signatures(signatures))


def _witness_keys() -> dict[tuple[str, bytes], Verifier]:
    found = {}
    for key in countersign().log_witnesses.values():
        with suppress(MalformedNote):
            verifier = Verifier.parse(key)
            found[verifier.name, verifier.key_id] = verifier
    return found


def key_list(log: int) -> str:
    """Return a line for each key of a log: its public key, since when it signs, and until when."""
    lines = (
        [each.verifier_key, f"{each.began_at:%Y-%m-%dT%H:%M:%SZ}"]
        + ([f"{each.ended_at:%Y-%m-%dT%H:%M:%SZ}"] if each.ended_at else [])
        for each in keys.periods(log)
    )
    return "".join(f"{' '.join(line)}\n" for line in lines)


def content(log: int, asked: TilePath) -> bytes | None:
    """Return as much of a tile as is requested; None if there is less."""
    if asked.level is None:
        return _bundle(log, asked.number, width=asked.width)
    size = asked.width * HASH_SIZE
    hashes = tiles.reader(log)(asked.level, asked.number)[:size]
    return hashes if len(hashes) == size else None


def _bundle(log: int, number: int, *, width: int) -> bytes | None:
    """Return the entries of the leaves of a tile, each after its length in two bytes."""
    first = number * WIDTH
    found = [each.entry for each in leaves_between(log, first=first, end=first + width)]
    written = [each for each in found if each is not None and len(each) < _LONGEST_ENTRY]
    if len(written) < width:
        return None
    return b"".join(len(each).to_bytes(2) + each for each in written)
