"""Leaves for all records, in feed order, and the checkpoints that sign them."""

import pytest

from audit.evidence import merkle, notes, tiles
from audit.evidence.checkpoints import parse_checkpoint
from audit.evidence.models import Leaf, SignedCheckpoint, TransparencyLog, TreeNode
from audit.evidence.sequencing import keys
from audit.models.records import CommandRecord, EventRecord
from tests.following import write
from tests.transparency import entries_of, last_checkpoint, sequence

pytestmark = pytest.mark.django_db


def test_every_record_has_one_leaf_in_feed_order(first_key):
    sequence()

    in_order = sorted(
        (each.epoch, each.xid, each.position)
        for kind in (CommandRecord, EventRecord)
        for each in kind.objects.all()
    )
    leaves = Leaf.objects.order_by("index")
    assert [each.index for each in leaves] == list(range(len(leaves)))
    assert [each.position for each in leaves if each.salt] == [each[2] for each in in_order]
    assert [each.kind for each in leaves][:2] == [Leaf.Kind.LOG, Leaf.Kind.KEY]


def test_the_checkpoint_signs_the_tree_of_the_entries(first_key):
    sequence()

    checkpoint = last_checkpoint()
    log = TransparencyLog.objects.get()
    opened = notes.verify(notes.parse(checkpoint.note), keys.verifiers(log.number))
    signed = parse_checkpoint(opened.text)
    entries = entries_of(log.number)
    assert (signed.origin, signed.size) == (log.origin, len(entries))
    assert signed.root == root_of(entries)
    assert signed.root == merkle.root(signed.size, tiles.reader(log.number))


def test_checkpoints_of_small_batches_are_consistent(first_key):
    write(2)

    sequence(limit=3)

    checkpoints = [*SignedCheckpoint.objects.order_by("size")]
    last = checkpoints[-1]
    read_tile = tiles.reader(last.log)
    assert len(checkpoints) > 10
    for each in checkpoints:
        proof = merkle.consistency_proof(each.size, last.size, read_tile)
        roots = bytes(each.root), bytes(last.root)
        assert merkle.verify_consistency(each.size, last.size, *roots, proof)


def test_without_records_or_other_keys_nothing_is_signed(first_key):
    sequence()
    before = SignedCheckpoint.objects.count()

    sequence()

    assert SignedCheckpoint.objects.count() == before


def test_a_log_over_several_tiles(first_key):
    write(40)

    sequence(limit=100)

    size = last_checkpoint().size
    assert size > 2 * merkle.WIDTH
    assert TreeNode.objects.count() == size // merkle.WIDTH
    assert root_of(entries_of(1)) == bytes(last_checkpoint().root)


def root_of(entries):
    """The root, by the definition of RFC 6962."""
    if len(entries) == 1:
        return merkle.leaf_hash(entries[0])
    middle = 1 << ((len(entries) - 1).bit_length() - 1)
    return merkle.node_hash(root_of(entries[:middle]), root_of(entries[middle:]))
