"""Leaves for all records, in feed order, and the checkpoints that sign them."""

import pytest
from django.db import ProgrammingError, connection

from audit.evidence import merkle, notes, tiles
from audit.evidence.appending.sequencer import DamagedLog, add_leaves
from audit.evidence.checkpoints import parse_checkpoint
from audit.evidence.models import Leaf, SignedCheckpoint, TransparencyLog, TreeNode
from audit.evidence.sequencing import keys
from audit.log.feed import Place, horizon
from tests.following import write
from tests.tampering import without_triggers
from tests.threads import ROUNDS, Crowd
from tests.transparency import (
    assert_complete,
    assert_consistent,
    entries_of,
    last_checkpoint,
    root_of,
    sequence,
)

pytestmark = pytest.mark.django_db


def test_every_record_has_one_leaf_in_feed_order(first_key):
    sequence()

    assert_complete()
    assert [each.kind for each in Leaf.objects.order_by("index")[:2]] == [
        Leaf.Kind.LOG,
        Leaf.Kind.KEY,
    ]


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

    assert SignedCheckpoint.objects.count() > 10
    assert_consistent(1)


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


def test_two_sequencers_at_once_leave_no_gap():
    with Crowd(4) as crowd:
        for _ in range(ROUNDS // 4):
            write(1)
            crowd.at_once(*[lambda: add_leaves(before=horizon(Place()).place, limit=5)] * 4)
    sequence()

    assert_complete()
    assert_consistent(1)
    assert root_of(entries_of(1)) == bytes(last_checkpoint().root)


def test_nothing_is_added_to_a_tree_whose_rows_were_changed(first_key, owner):
    sequence()
    before = SignedCheckpoint.objects.count()
    with without_triggers(owner, "audit_leaf"):
        owner.execute('UPDATE audit_leaf SET hash = sha256(hash) WHERE "index" = 1')
    write(1)

    with pytest.raises(DamagedLog):
        add_leaves(before=horizon(Place()).place)

    assert SignedCheckpoint.objects.count() == before


@pytest.mark.parametrize(
    "table", ["transparencylog", "leaf", "treenode", "signedcheckpoint", "logkey", "publication"]
)
def test_the_application_may_not_change_or_delete_what_it_has_written(table):
    column = "number" if table == "transparencylog" else "log"
    for change in (f"DELETE FROM audit_{table}", f"UPDATE audit_{table} SET {column} = 2"):
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            connection.cursor() as cursor,
        ):
            cursor.execute(change)
