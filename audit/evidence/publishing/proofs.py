"""Proofs that records are leaves of the log, as evidence files and downloads contain them.

A proof has all that a verifier needs: the entry, the values behind its digests, the path to the
root, and a signed checkpoint with that root.
"""

import json
from base64 import b64encode
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from audit.evidence import merkle, tiles
from audit.evidence.checkpoints import checkpoint_of_note
from audit.evidence.entries import Disclosed, disclosed
from audit.evidence.merkle import ReadTile
from audit.evidence.models import Leaf
from audit.evidence.publishing.inclusions import checkpoint_for_proof
from audit.evidence.publishing.leaves import Computed, computed
from audit.evidence.publishing.stored import cosigned_note
from audit.evidence.sequencing import keys
from audit.models.records import CommandRecord, EventRecord

#: The format of a file with proofs. It has no signature of its own: its checkpoints have.
FORMAT = "countersign-proof/1"


def proofs_of(
    positions: Collection[int], *, partial: Mapping[int, Collection[str]] | None = None
) -> list[dict[str, Any]]:
    """Return the proofs of the records at these positions, those of each log together.

    A record that has no leaf yet has no proof: the sequencer is about a second behind. Of those in
    ``partial``, by position, only the named fields are disclosed.
    """
    named = {each: fields for each, fields in (partial or {}).items() if each not in positions}
    wanted = [*positions, *named]
    leaves = Leaf.objects.filter(position__in=wanted).order_by("log", "index")
    by_log: defaultdict[int, list[Computed]] = defaultdict(list)
    for each in computed(list(leaves)):
        by_log[each.leaf.log].append(each)
    return [_proof(log, found, named) for log, found in by_log.items()]


def proof_file(records: Iterable[CommandRecord], events: Iterable[EventRecord]) -> bytes:
    """Return a file with the proofs of records."""
    positions = [each.position for each in (*records, *events)]
    content = {"format": FORMAT, "proof": {"proofs": proofs_of(positions)}}
    return f"{json.dumps(content, sort_keys=True, indent=2)}\n".encode()


def _proof(
    log: int, found: Sequence[Computed], partial: Mapping[int, Collection[str]]
) -> dict[str, Any]:
    checkpoint = checkpoint_for_proof(log, size=found[-1].leaf.index + 1)
    note, read_tile = cosigned_note(checkpoint), tiles.reader(log)
    return {
        "origin": checkpoint_of_note(note).origin,
        "checkpoint": note,
        "keys": [str(each) for each in keys.verifiers(log)],
        "leaves": [
            _leaf(
                each,
                size=checkpoint.size,
                read_tile=read_tile,
                fields=partial.get(each.leaf.position or 0),
            )
            for each in found
            if each.record and each.leaf.index < checkpoint.size
        ],
    }


def _leaf(
    each: Computed, *, size: int, read_tile: ReadTile, fields: Collection[str] | None
) -> dict[str, Any]:
    leaf = each.leaf
    path = merkle.inclusion_proof(leaf.index, size, read_tile)
    return {
        "position": leaf.position,
        "index": leaf.index,
        "entry": (each.entry or b"").decode(),
        "disclosed": {
            name: {"salt": found.salt.hex(), "value": found.value}
            for name, found in _disclosed(each).items()
            if found.value is not None and (fields is None or name in fields)
        },
        "path": [b64encode(node).decode() for node in path],
    }


def _disclosed(each: Computed) -> dict[str, Disclosed]:
    if each.record is None:
        return {}
    return disclosed(each.record.kind, each.record.values, bytes(each.leaf.salt or b""))
