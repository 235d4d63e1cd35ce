"""A transparency log of the records that are there, its entries, and its verification."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import transaction

from audit.evidence import entries, merkle, records, tiles
from audit.evidence.appending.sequencer import add_leaves
from audit.evidence.models import Leaf, LogKey, SignedCheckpoint, TransparencyLog
from audit.evidence.notes import COSIGNATURE, Signature, Verifier
from audit.evidence.sequencing import logs, writing
from audit.log.feed import Place, horizon
from audit.models.records import CommandRecord, EventRecord
from tests.threads import until


def sequence(*, limit=2_000):
    """Add leaves until every record has one: transactions elsewhere may hold the horizon back."""

    def is_complete():
        add_leaves(before=horizon(Place()).place, limit=limit)
        return leaves_of_records() == CommandRecord.objects.count() + EventRecord.objects.count()

    until(is_complete)


def written(model, **values):
    """A row of the log, inserted by a process with LOG_KEYS."""
    with transaction.atomic():
        writing.authorize()
        return model.objects.create(**values)


def leaves_of_records():
    return Leaf.objects.filter(position__isnull=False).count()


def last_checkpoint():
    return SignedCheckpoint.objects.latest("log", "size")


def entries_of(log):
    """The entries of a log in their order, made from the rows that are there now."""
    return [entry_of(leaf) for leaf in Leaf.objects.filter(log=log).order_by("index")]


def entry_of(leaf):
    match leaf.kind:
        case Leaf.Kind.LOG:
            return logs.first_entry(TransparencyLog.objects.get(number=leaf.log))
        case Leaf.Kind.KEY:
            key = LogKey.objects.get(log=leaf.log, index=leaf.index)
            return entries.key_entry(verifier_key=key.verifier_key, begins=key.begins, at=key.at)
    kind = "command" if leaf.kind == Leaf.Kind.COMMAND else "event"
    found = records.at_positions(kind, [leaf.position])[leaf.position]
    return entries.record_entry(kind, found.values, bytes(leaf.salt))


class Cosigner:
    """The private key of a witness, which also states when it has seen the checkpoint."""

    def __init__(self, name, seed):
        self.name, self._key = name, Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Verifier(name, self._key.public_key().public_bytes_raw(), COSIGNATURE)

    def cosign(self, text, *, at):
        seconds = int(at.timestamp())
        value = self._key.sign(f"cosignature/v1\ntime {seconds}\n{text}".encode())
        return Signature(self.name, self.verifier.key_id, seconds.to_bytes(8) + value)


def root_of(entries):
    """The root of a tree, by the definition of RFC 6962."""
    if len(entries) == 1:
        return merkle.leaf_hash(entries[0])
    middle = 1 << ((len(entries) - 1).bit_length() - 1)
    return merkle.node_hash(root_of(entries[:middle]), root_of(entries[middle:]))


def assert_complete():
    """Every record has one leaf, the leaves have no gap, and follow the order of the feed."""
    in_order = sorted(
        place
        for kind in (CommandRecord, EventRecord)
        for place in kind.objects.values_list("epoch", "xid", "position")
    )
    leaves = [*Leaf.objects.order_by("log", "index")]
    assert [each.position for each in leaves if each.salt] == [each[2] for each in in_order]
    for log in {each.log for each in leaves}:
        indexes = [each.index for each in leaves if each.log == log]
        assert indexes == [*range(len(indexes))]


def assert_consistent(log):
    """The last checkpoint of a log has all of its leaves, and extends all other checkpoints."""
    checkpoints = [*SignedCheckpoint.objects.filter(log=log).order_by("size")]
    last, read_tile = checkpoints[-1], tiles.reader(log)
    assert last.size == Leaf.objects.filter(log=log).count()
    for each in checkpoints:
        proof = merkle.consistency_proof(each.size, last.size, read_tile)
        roots = bytes(each.root), bytes(last.root)
        assert verify_consistency(each.size, last.size, *roots, proof)


def verify_inclusion(leaf, index, size, proof, expected_root):
    """Return True if the proof leads from the leaf's hash to the root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, computed = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if node % 2 or node == last:
            computed = merkle.node_hash(sibling, computed)
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            computed = merkle.node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and computed == expected_root


def verify_consistency(old, new, old_root, new_root, proof):
    """Return True if the proof shows that the newer tree extends the older (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not proof and old_root == (new_root if old else merkle.EMPTY_ROOT)
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    node, last = old - 1, new - 1
    while node % 2:
        node, last = node >> 1, last >> 1
    return _folded(path, node, last) == (old_root, new_root)


def _folded(path, node, last):
    """Return the roots of the older and the newer tree that a consistency proof leads to."""
    if not path:
        return None
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if node % 2 or node == last:
            older, newer = merkle.node_hash(sibling, older), merkle.node_hash(sibling, newer)
            while node and not node % 2:
                node, last = node >> 1, last >> 1
        else:
            newer = merkle.node_hash(newer, sibling)
        node, last = node >> 1, last >> 1
    return (older, newer) if last == 0 else None
