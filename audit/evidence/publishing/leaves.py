"""Leaves and their entries, which are computed again from the rows that they are about."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from audit.evidence import entries, records
from audit.evidence.merkle import leaf_hash
from audit.evidence.models import Leaf, LogKey, SignedCheckpoint, TransparencyLog
from audit.evidence.records import KINDS, Found
from audit.evidence.sequencing.logs import first_entry


class Computed(NamedTuple):
    """A leaf and the entry that its row has now: None if the row is missing.

    ``record`` is that of a command or an event.
    """

    leaf: Leaf
    entry: bytes | None
    record: Found | None = None

    @property
    def is_intact(self) -> bool:
        """True if the row is the one that the leaf was added for."""
        return self.entry is not None and leaf_hash(self.entry) == bytes(self.leaf.hash)


def leaves_between(log: int, *, first: int, end: int) -> list[Computed]:
    """Return the leaves of a log from the index ``first`` up to ``end``, in their order."""
    rows = Leaf.objects.filter(log=log, index__gte=first, index__lt=end)
    return computed(list(rows.order_by("index")))


def computed(leaves: Sequence[Leaf]) -> list[Computed]:
    """Return leaves with their entries, in the same order: at most one query for each kind."""
    found = {
        kind: records.at_positions(name, _positions(leaves, kind)) for name, kind in KINDS.items()
    }
    return [
        _of_record(leaf, found[Leaf.Kind(leaf.kind)])
        if leaf.kind in found
        else Computed(leaf, _other_entry(leaf))
        for leaf in leaves
    ]


def _positions(leaves: Iterable[Leaf], kind: int) -> list[int]:
    return [leaf.position for leaf in leaves if leaf.kind == kind and leaf.position is not None]


def _of_record(leaf: Leaf, found: dict[int, Found]) -> Computed:
    record = found.get(leaf.position or 0)
    if record is None:
        return Computed(leaf, None)
    entry = entries.record_entry(record.kind, record.values, bytes(leaf.salt or b""))
    return Computed(leaf, entry, record)


def _other_entry(leaf: Leaf) -> bytes | None:
    """Return the entry of a leaf of a log or of a key."""
    if leaf.kind == Leaf.Kind.KEY:
        key = LogKey.objects.filter(log=leaf.log, index=leaf.index).first()
        if key is None:
            return None
        return entries.key_entry(verifier_key=key.verifier_key, begins=key.begins, at=key.at)
    log = TransparencyLog.objects.select_related("former").filter(number=leaf.log).first()
    try:
        return None if log is None else first_entry(log)
    except SignedCheckpoint.DoesNotExist:
        return None
