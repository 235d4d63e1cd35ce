"""The comparison of all records with their leaves, and of all leaves with the checkpoints.

It reads each row once, in parts, and keeps only the right edge of the tree in memory.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from audit.evidence.checkpoints import Checkpoint
from audit.evidence.entries import COLUMNS
from audit.evidence.merkle import Frontier, Tile
from audit.evidence.models import Leaf, SignedCheckpoint, TransparencyLog, TreeNode
from audit.evidence.publishing.leaves import Computed, leaves_between
from audit.evidence.sequencing import keys, signed
from audit.evidence.verification.inserted import inserted_records
from audit.evidence.verification.kept import Kept
from audit.evidence.verification.problems import Problem, Progress
from audit.evidence.verification.stray import stray_rows

_PART = 2_000
_NAMES = {Leaf.Kind.COMMAND: "Command record", Leaf.Kind.EVENT: "Event record"}


def compare(kept: Iterable[Kept] = ()) -> Iterator[Progress]:
    """Compare every record, leaf, node and checkpoint, and the checkpoints kept outside."""
    outside = list(kept)
    newest = None
    for log in TransparencyLog.objects.order_by("number"):
        own = [each for each in outside if each.checkpoint.origin == log.origin]
        outside = [each for each in outside if each not in own]
        last = SignedCheckpoint.objects.filter(log=log.number).order_by("-size").first()
        if last is None:
            yield Progress(0, [Problem("missing", f"The checkpoint of {log.origin}")])
            continue
        last_signed = signed.newest(log.number)
        newest = last_signed or last
        size = _compared_size(last, last_signed)
        yield from _Comparison(log, size, own).parts()
        yield Progress(0, list(_beyond(log, size)))
        if last_signed and last_signed.size > size:
            name = f"At least one of the {last_signed.size} leaves of {log.origin}"
            yield Progress(0, [Problem("missing", name)])
    yield Progress(0, [Problem("fork", each.source) for each in outside])
    if newest is not None:
        yield from inserted_records(newest)
    yield from stray_rows()


class _Comparison:
    """The comparison of one log, up to the size of its newest checkpoint."""

    def __init__(self, log: TransparencyLog, size: int, kept: Iterable[Kept]) -> None:
        self._log, self._size = log, size
        self._tree = Frontier()
        self._verifiers = keys.verifiers(log.number)
        self._kept: defaultdict[int, list[Kept]] = defaultdict(list)
        for each in kept:
            self._kept[each.checkpoint.size].append(each)
        self._has_diverged = False

    def parts(self) -> Iterator[Progress]:
        too_large = [found for size, found in self._kept.items() if size > self._size]
        yield Progress(0, [Problem("fork", each.source) for found in too_large for each in found])
        for first in range(0, self._size, _PART):
            end = min(first + _PART, self._size)
            leaves = {
                each.leaf.index: each
                for each in leaves_between(self._log.number, first=first, end=end)
            }
            yield Progress(len(leaves), list(self._part(leaves, first, end)))

    def _part(self, leaves: Mapping[int, Computed], first: int, end: int) -> Iterator[Problem]:
        stored = SignedCheckpoint.objects.filter(log=self._log.number, size__gt=first)
        checkpoints = {each.size: each for each in stored.filter(size__lte=end)}
        nodes: dict[Tile, bytes] = {}
        for index in range(first, end):
            computed = leaves.get(index)
            if computed is None:
                yield Problem("missing", f"Leaf {index} of {self._log.origin}")
            else:
                yield from _of_leaf(computed, self._log.origin)
            nodes |= self._tree.append(bytes(computed.leaf.hash) if computed else b"")
            if checkpoint := checkpoints.get(index + 1):
                yield from self._of_checkpoint(checkpoint)
            yield from self._of_kept(index + 1)
        yield from self._of_nodes(nodes)

    def _of_checkpoint(self, stored: SignedCheckpoint) -> Iterator[Problem]:
        name = f"The checkpoint of {stored.size} leaves of {self._log.origin}"
        expected = Checkpoint(self._log.origin, stored.size, self._tree.root())
        if bytes(stored.root) != expected.root:
            # Every later tree differs as well.
            if not self._has_diverged:
                yield Problem("different", name)
            self._has_diverged = True
        elif signed.signed_checkpoint(stored.note, self._verifiers) != expected:
            yield Problem("unsigned", name)

    def _of_kept(self, size: int) -> Iterator[Problem]:
        for each in self._kept.get(size, ()):
            if each.checkpoint.root != self._tree.root():
                yield Problem("fork", each.source)

    def _of_nodes(self, expected: Mapping[Tile, bytes]) -> Iterator[Problem]:
        stored: dict[Tile, bytes] = {}
        for level in {tile.level for tile in expected}:
            wanted = [tile.number for tile in expected if tile.level == level]
            rows = TreeNode.objects.filter(log=self._log.number, level=level, index__in=wanted)
            stored |= {
                Tile(level, index): bytes(found)
                for index, found in rows.values_list("index", "hash")
            }
        for tile, found in expected.items():
            if stored.get(tile) != found:
                name = f"Node {tile.number} at level {tile.level} of {self._log.origin}"
                yield Problem("different" if tile in stored else "missing", name)


def _compared_size(last: SignedCheckpoint, last_signed: SignedCheckpoint | None) -> int:
    """Return up to which size a log is compared: all leaves of its signed checkpoints, and more.

    A row that was inserted may name any size, but has no signature of a key that is used now.
    """
    leaves = Leaf.objects.filter(log=last.log).count()
    is_ours = last_signed and keys.are_used(keys.verifiers(last.log))
    return max(last_signed.size if last_signed and is_ours else 0, min(last.size, leaves))


def _beyond(log: TransparencyLog, size: int) -> Iterator[Problem]:
    """Yield the rows beyond a size that the sequencer has not added meanwhile."""
    leaves = Leaf.objects.filter(log=log.number, index__gte=size).order_by("index")[:_PART]
    indexes = list(leaves.values_list("index", flat=True))
    rows = SignedCheckpoint.objects.filter(log=log.number, size__gt=size)
    stored = list(rows.order_by("size")[:_PART])
    newest = signed.newest(log.number)
    end = max(newest.size if newest else 0, size)
    for index in indexes:
        if index >= end:
            yield Problem("beyond", f"Leaf {index} of {log.origin}")
    for each in stored:
        if each.size > end:
            yield Problem("unsigned", f"The checkpoint of {each.size} leaves of {log.origin}")


def _of_leaf(computed: Computed, origin: str) -> Iterator[Problem]:
    if not computed.is_intact:
        kind = "removed" if computed.entry is None else "altered"
        yield Problem(kind, f"{_name_of(computed)}, leaf {computed.leaf.index} of {origin},")


def _name_of(computed: Computed) -> str:
    """Return the name of the row that a leaf is about."""
    leaf = computed.leaf
    if leaf.kind not in _NAMES:
        return "The public key" if leaf.kind == Leaf.Kind.KEY else "The beginning"
    name = f"{_NAMES[Leaf.Kind(leaf.kind)]} {leaf.position}"
    if computed.record is None:
        return name
    values = dict(zip(COLUMNS[computed.record.kind], computed.record.values, strict=True))
    return f"{name} ({values['message_type']} of command {values['command_id']})"
