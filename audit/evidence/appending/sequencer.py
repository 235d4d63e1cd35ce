"""The sequencer: leaves for all records, in feed order, and signed checkpoints.

Leaves, nodes and checkpoint are committed together. A process that is killed leaves nothing behind;
the next one continues at the last checkpoint.
"""

import os
import time

from django.db import connection, transaction
from django.utils import timezone

from audit.bus import epochs
from audit.evidence import entries, merkle, notes, records, tiles
from audit.evidence.checkpoints import Checkpoint
from audit.evidence.merkle import Edge
from audit.evidence.models import Leaf, LogKey, SignedCheckpoint, TreeNode
from audit.evidence.sequencing import directories, keys, logs, writing
from audit.evidence.sequencing.keys import Change
from audit.evidence.sequencing.logs import Start
from audit.evidence.witnessing import contradictions, publisher
from audit.log import feed
from audit.log.epochs import current
from audit.log.feed import Place
from audit.reactions.workers import runs_long

BATCH = 2_000
#: How long records wait for others that share their checkpoint.
PAUSE_SECONDS = 0.5
# Any number will do, if every process takes the same one.
_ADVISORY_LOCK = 0x6C656166
_COPY = 'COPY audit_leaf ("index", position, log, kind, hash, salt) FROM STDIN (FORMAT BINARY)'
_TYPES = ("int8", "int8", "int4", "int2", "bytea", "bytea")


class DamagedLog(Exception):
    """The stored tree does not lead to its last checkpoint: restore its rows, or begin an epoch."""


class Sequencer:
    """The sequencer of one process. Of all processes, one at a time adds leaves."""

    def __init__(self) -> None:
        self._seen: Place | None = None
        self._due_at = 0.0
        self._has_asked = False

    def turn(self) -> bool:
        """Add leaves for new records; return True if there may be more at once."""
        if time.monotonic() < self._due_at:
            return False
        if not self._has_asked and not publisher.ask_witnesses():
            return False
        self._has_asked = True
        horizon = feed.horizon(Place()).place
        if horizon == self._seen:
            return False
        added = add_leaves(before=horizon)
        if added is None:
            return False
        if added < BATCH:
            self._seen, self._due_at = horizon, time.monotonic() + PAUSE_SECONDS
        return added == BATCH


def add_leaves(*, before: Place, limit: int = BATCH) -> int | None:
    """Add leaves for the next records, sign, and return how many records they are.

    Return None if another process is adding leaves.
    """
    number = epochs.ensure()
    with transaction.atomic(durable=True):
        if not _is_alone() or current() != number:
            return None
        writing.authorize()
        start = logs.start(number)
        found = records.following(start.place, before=before, limit=limit)
        batch = _Batch(start)
        batch.add_own()
        for each in found:
            batch.add_record(each)
        signed = batch.sign(found[-1].place if found else start.place)
    if signed:
        directories.keep(signed.log, signed.note, size=signed.size)
    return len(found)


class _Batch:
    """The leaves of one transaction, and the checkpoint after them."""

    def __init__(self, start: Start) -> None:
        """Check that the stored tree is the one of the last checkpoint, here and outside.

        :raises DamagedLog: if it is not.
        :raises Forking: if it contradicts a checkpoint that is kept outside.
        """
        self._log, self._place = start.log, start.place
        self._size = start.size
        read_tile = tiles.reader(start.log.number)
        if merkle.root(start.size, read_tile) != start.root:
            raise DamagedLog(f"The tree of log {start.log.number} is not its last checkpoint.")
        self._signers = keys.signers(start.log.origin)
        known = [*keys.verifiers(start.log.number), *(each.verifier for each in self._signers)]
        directories.check(start.log.number, size=start.size, read_tile=read_tile, verifiers=known)
        contradictions.check_witnesses(start.log.number)
        self._edge = Edge(start.size, read_tile)
        self._leaves: list[tuple[int, int | None, int, int, bytes, bytes | None]] = []

    def add_own(self) -> None:
        """Add the first leaf of a new log, and those of keys that begin or end."""
        if not self._size:
            self._log.save(force_insert=True)
            self._add(Leaf.Kind.LOG, logs.first_entry(self._log))
        for change in keys.changes(self._log.number, self._signers):
            self._add_key(change)

    def add_record(self, found: records.Found) -> None:
        salt = os.urandom(entries.SALT_SIZE)
        entry = entries.record_entry(found.kind, found.values, salt)
        self._add(records.KINDS[found.kind], entry, position=found.place.position, salt=salt)

    def sign(self, place: Place) -> SignedCheckpoint | None:
        """Insert the leaves and a checkpoint of the place of the last record; None without any."""
        if not self._leaves:
            return None
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            copy.set_types(_TYPES)
            for leaf in self._leaves:
                copy.write_row(leaf)
        log = self._log.number
        TreeNode.objects.bulk_create(tiles.new_nodes(log, self._edge.changed, size=self._size))
        root = self._edge.root()
        text = str(Checkpoint(self._log.origin, self._edge.size, root))
        return SignedCheckpoint.objects.create(
            log=log,
            size=self._edge.size,
            root=root,
            note=str(notes.sign(text, self._signers)),
            signed_at=timezone.now(),
            **place._asdict(),
        )

    def _add_key(self, change: Change) -> None:
        values = {**change._asdict(), "at": timezone.now()}
        LogKey.objects.create(log=self._log.number, index=self._edge.size, **values)
        self._add(Leaf.Kind.KEY, entries.key_entry(**values))

    def _add(
        self,
        kind: Leaf.Kind,
        entry: bytes,
        *,
        position: int | None = None,
        salt: bytes | None = None,
    ) -> None:
        hashed = merkle.leaf_hash(entry)
        self._leaves.append((self._edge.size, position, self._log.number, kind.value, hashed, salt))
        self._edge.append(hashed)


def _is_alone() -> bool:
    """Lock the logs until the end of the transaction; return False if another process has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        (is_alone,) = cursor.fetchone()
    return bool(is_alone)


_sequencer = Sequencer()


@runs_long("evidence")
def sequence() -> bool:
    """Add leaves for new records; return True if there may be more at once."""
    return _sequencer.turn()
