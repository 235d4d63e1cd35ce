"""Rows that the owner of the database changes, with the triggers disabled, are named."""

import json
from io import StringIO
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command

from audit.evidence.models import Leaf, SignedCheckpoint, TransparencyLog
from audit.models.records import CommandRecord, EventRecord
from tests.tampering import without_triggers

COPY = (
    "INSERT INTO {0} SELECT (jsonb_populate_record(row, %s)).* FROM {0} AS row WHERE position = %s"
)


@pytest.fixture
def log(fill_log):
    """A log of several checkpoints, with more leaves than two tiles have."""
    fill_log()
    fill_log(560)
    return fill_log()


@pytest.fixture
def as_owner(owner):
    """A function that changes a table of the log as the owner of the database."""

    def execute(table, sql, values=()):
        with without_triggers(owner, table):
            assert owner.execute(sql, values).rowcount == 1

    return execute


def verify(*paths):
    """Return the output of the command: the differences, without the last line."""
    output, progress = StringIO(), StringIO()
    try:
        call_command("evidence", "verify", checkpoint=list(paths), stdout=output, stderr=progress)
        status = 0
    except SystemExit as end:
        status = end.code
    *found, last = output.getvalue().splitlines()
    assert last.endswith(f"leaves compared, {len(found)} differences.")
    assert status == (1 if found else 0)
    return found


def leaf_of(record):
    return Leaf.objects.get(position=record.position)


def test_an_untouched_log_has_no_differences(log):
    assert verify() == []


def test_an_altered_record_is_named(log, as_owner):
    record = EventRecord.objects.order_by("position")[100]
    as_owner(
        "audit_eventrecord",
        "UPDATE audit_eventrecord SET data = '{\"number\": 7}' WHERE position = %s",
        [record.position],
    )

    named = f"Event record {record.position} (test.filled of command {record.command_id})"
    assert verify() == [f"{named}, leaf {leaf_of(record).index} of {origin()}, was altered."]


def test_each_altered_column_is_named(log, as_owner):
    records = CommandRecord.objects.order_by("position")
    as_owner(
        "audit_commandrecord",
        "UPDATE audit_commandrecord SET reason = 'another' WHERE position = %s",
        [records[0].position],
    )
    as_owner(
        "audit_commandrecord",
        "UPDATE audit_commandrecord SET received_at = received_at + interval '1 microsecond'"
        " WHERE position = %s",
        [records[1].position],
    )

    assert [line.split(" (")[0] for line in verify()] == [
        f"Command record {records[0].position}",
        f"Command record {records[1].position}",
    ]


def test_a_removed_record_is_named(log, as_owner):
    record = EventRecord.objects.order_by("position")[300]
    leaf = leaf_of(record)
    as_owner(
        "audit_eventrecord",
        "DELETE FROM audit_eventrecord WHERE position = %s",
        [record.position],
    )

    assert verify() == [
        f"Event record {record.position}, leaf {leaf.index} of {origin()}, was removed."
    ]


def test_an_inserted_record_is_named(log, as_owner):
    record = EventRecord.objects.order_by("position")[0]
    newest = EventRecord.objects.latest("position").position
    inserted = {"position": newest + 5, "number": 2**40, "id": str(UUID(int=7))}
    as_owner(
        "audit_eventrecord",
        COPY.format("audit_eventrecord"),
        [json.dumps(inserted), record.position],
    )

    assert verify() == [
        f"Event record {newest + 5} (test.filled) was inserted: the log does not have it."
    ]


def test_a_record_and_its_leaf_that_were_altered_are_found_by_the_tree(log, as_owner):
    leaf = leaf_of(EventRecord.objects.order_by("position")[3])
    as_owner(
        "audit_leaf",
        'UPDATE audit_leaf SET hash = %s WHERE log = 1 AND "index" = %s',
        [bytes(32), leaf.index],
    )

    found = verify()

    assert found[0].startswith(f"Event record {leaf.position} ")
    assert found[1].startswith("The checkpoint of ")
    assert found[1].endswith(" is not the one of the tree.")
    assert found[2] == f"Node 0 at level 1 of {origin()} is not the one of the tree."
    assert len(found) == 3


def test_a_removed_leaf_is_named(log, as_owner):
    as_owner("audit_leaf", 'DELETE FROM audit_leaf WHERE log = 1 AND "index" = 300')

    found = verify()

    assert f"Leaf 300 of {origin()} is missing." in found
    assert any(line.endswith("was inserted: the log does not have it.") for line in found)


@pytest.fixture
def shortened(log, as_owner):
    """The last leaf of the log, which was removed together with its record."""
    leaf = Leaf.objects.latest("index")
    record = EventRecord.objects.get(position=leaf.position)
    as_owner("audit_leaf", 'DELETE FROM audit_leaf WHERE "index" = %s', [leaf.index])
    as_owner(
        "audit_eventrecord",
        "DELETE FROM audit_eventrecord WHERE position = %s",
        [record.position],
    )
    return leaf


def test_the_last_record_that_was_removed_with_its_leaf_is_found(log, shortened):
    assert verify() == [
        f"Leaf {shortened.index} of {origin()} is missing.",
        f"The checkpoint of {log.size} leaves of {origin()} is not the one of the tree.",
    ]


def test_the_end_of_a_log_is_missed_also_after_its_keys_were_replaced(log, shortened, configure):
    configure(LOG_KEYS={"k9": b"9" * 32})

    assert verify() == [f"At least one of the {log.size} leaves of {origin()} is missing."]


def test_an_altered_node_is_named(log, as_owner):
    as_owner(
        "audit_treenode",
        'UPDATE audit_treenode SET hash = %s WHERE log = 1 AND level = 1 AND "index" = 1',
        [bytes(32)],
    )

    assert verify() == [f"Node 1 at level 1 of {origin()} is not the one of the tree."]


@pytest.mark.parametrize(
    "changed",
    [
        "note = replace(note, '/log/1', '/log/9')",
        "note = 'not a note'",
        "note = regexp_replace(note, 'A|B|C|D|E|F', 'Z')",
    ],
)
def test_a_checkpoint_without_a_valid_signature_is_named(changed, log, as_owner):
    as_owner(
        "audit_signedcheckpoint",
        f"UPDATE audit_signedcheckpoint SET {changed} WHERE size = %s",
        [log.size],
    )

    assert verify() == [
        f"The checkpoint of {log.size} leaves of {origin()} has no valid signature."
    ]


def test_a_key_that_was_added_is_named(log, as_owner):
    as_owner(
        "audit_logkey",
        "UPDATE audit_logkey SET at = at - interval '1 day' WHERE log = 1",
    )

    assert verify() == [f"The public key, leaf 1 of {origin()}, was altered."]


def test_a_checkpoint_that_an_auditor_kept_has_to_be_a_part_of_the_log(log, tmp_path):
    genuine, forged, other = tmp_path / "genuine", tmp_path / "forged", tmp_path / "other"
    first = SignedCheckpoint.objects.earliest("size")
    genuine.write_text(first.note, encoding="utf-8")
    root = first.note.splitlines()[2]
    forged.write_text(first.note.replace(root, "A" * 43 + "="), encoding="utf-8")
    other.write_text(first.note.replace("/log/1\n", "/log/7\n"), encoding="utf-8")
    larger = tmp_path / "larger"
    larger.write_text(first.note.replace(f"\n{first.size}\n", "\n99999\n"), encoding="utf-8")

    assert verify(genuine) == []
    assert sorted(verify(genuine, forged, larger, other)) == [
        f"Checkpoint {path} is not a part of the log." for path in (forged, larger, other)
    ]


def test_a_checkpoint_that_cannot_be_read_is_reported(log, tmp_path):
    (tmp_path / "malformed").write_text("x")

    for path in (tmp_path / "missing", tmp_path / "malformed"):
        with pytest.raises(CommandError, match="cannot be read"):
            call_command("evidence", "verify", checkpoint=[path], stdout=StringIO())


def test_without_a_log_there_is_nothing_to_compare(db):
    assert verify() == []


def origin():
    return TransparencyLog.objects.get().origin
