"""A restored database signs nothing that contradicts a checkpoint that is kept outside."""

import pytest

from audit.entry.shell import carry_out
from audit.evidence import notes
from audit.evidence.appending.sequencer import add_leaves
from audit.evidence.models import Leaf, SignedCheckpoint, TransparencyLog
from audit.evidence.notes import InvalidNote
from audit.evidence.sequencing import directories, keys
from audit.evidence.sequencing.directories import Forking
from audit.evidence.witnessing import publisher
from audit.log.commands import BeginEpoch
from audit.log.feed import Place, horizon
from audit.models.records import CommandRecord, Epoch, EventRecord
from tests.following import write
from tests.standbys import pair, reached_at
from tests.tampering import without_triggers
from tests.transparency import assert_complete, assert_consistent, last_checkpoint, sequence


@pytest.fixture
def outside(tmp_path, configure):
    """A directory that keeps checkpoints outside the database."""
    configure(LOG_DIRECTORIES=(str(tmp_path),))
    return tmp_path


@pytest.fixture
def lose(owner):
    """A function that takes the database back to a checkpoint, as a restore of its rows does."""

    def go_back(checkpoint):
        size = checkpoint.size
        place = f"({checkpoint.epoch}, '{checkpoint.xid}'::xid8, {checkpoint.position})"
        for table, condition in {
            "audit_leaf": f'"index" >= {size}',
            "audit_signedcheckpoint": f"size > {size}",
            "audit_commandrecord": f"(epoch, xid, position) > {place}",
            "audit_eventrecord": f"(epoch, xid, position) > {place}",
        }.items():
            with without_triggers(owner, table):
                owner.execute(f"DELETE FROM {table} WHERE {condition}")

    return go_back


def add():
    return add_leaves(before=horizon(Place()).place)


def kept(directory, log=1):
    return directories.newest(directory, log=log, verifiers=keys.verifiers(log))


def test_the_newest_checkpoint_is_kept_in_the_directory(outside):
    for _ in range(2):
        write(1)
        sequence()
        assert (kept(outside).size, kept(outside).root) == (
            last_checkpoint().size,
            bytes(last_checkpoint().root),
        )


def test_nothing_is_signed_below_what_is_kept_outside(outside, lose):
    write(1)
    sequence()
    restored_to = last_checkpoint()
    write(1)
    sequence()
    lose(restored_to)
    write(3)

    with pytest.raises(Forking):
        add()

    assert last_checkpoint().size == restored_to.size
    assert kept(outside).size > restored_to.size


def test_nothing_is_signed_beside_what_is_kept_outside(outside, lose):
    write(1)
    sequence()
    restored_to, former = last_checkpoint(), (outside / "log/1/checkpoint").read_text()
    write(1)
    sequence()
    lost = (outside / "log/1/checkpoint").read_text()
    lose(restored_to)
    (outside / "log/1/checkpoint").write_text(former)
    write(3)
    sequence()
    (outside / "log/1/checkpoint").write_text(lost)
    before = last_checkpoint().size
    write(1)

    with pytest.raises(Forking):
        add()

    assert last_checkpoint().size == before


def test_a_new_epoch_begins_a_log_that_commits_to_the_former_one(outside, lose):
    write(1)
    sequence()
    restored_to = last_checkpoint()
    write(1)
    sequence()
    lost = kept(outside)
    lose(restored_to)

    carry_out(BeginEpoch(), reason="Restored a dump")
    write(1)
    sequence()

    first, second = TransparencyLog.objects.order_by("number")
    assert second.number == Epoch.objects.latest("number").number
    assert (second.former, second.former_size) == (first, restored_to.size)
    assert second.origin != first.origin
    assert (kept(outside), kept(outside, second.number).origin) == (lost, second.origin)
    assert_complete()
    assert_consistent(second.number)
    assert SignedCheckpoint.objects.filter(log=1).latest("size").size == restored_to.size


def test_a_directory_that_is_missing_stops_the_signing(configure, tmp_path):
    configure(LOG_DIRECTORIES=(str(tmp_path / "not mounted"),))
    write(1)

    with pytest.raises(FileNotFoundError):
        add()

    assert not Leaf.objects.exists()


def test_a_directory_that_is_empty_after_a_publication_stops_the_signing(outside):
    """As an unmounted one is: its mount point is there."""
    write(1)
    sequence()
    publisher.publish_due()
    (outside / "log").rename(outside / "unmounted")
    write(1)

    with pytest.raises(FileNotFoundError, match="mount it"):
        add()


def test_what_another_key_has_signed_stops_the_signing(outside):
    write(1)
    sequence()
    path = outside / "log/1/checkpoint"
    text = notes.parse(path.read_text()).text
    forged = notes.sign(text, [notes.Signer(text.split("\n")[0], b"f" * 32)])
    path.write_text(str(forged))
    write(1)

    with pytest.raises(InvalidNote):
        add()


@pytest.mark.edge
def test_a_restored_dump_does_not_fork_the_log(monkeypatch):
    """A dump on another server, where the first to write is the sequencer."""
    write(1)
    sequence()
    dumped, total = last_checkpoint(), CommandRecord.objects.count() + EventRecord.objects.count()
    with pair() as servers:
        write(1)
        sequence()
        original = last_checkpoint()
        with reached_at(monkeypatch, str(servers.address)):
            assert last_checkpoint().size == dumped.size
            sequence()

            former, log = TransparencyLog.objects.order_by("number")
            assert (log.former, log.former_size) == (former, dumped.size)
            assert SignedCheckpoint.objects.filter(log=1).latest("size").size == dumped.size
            assert CommandRecord.objects.filter(message_type="audit.begin_epoch").exists()
            assert_complete()
            assert_consistent(log.number)
    assert original.size > dumped.size
    assert total < CommandRecord.objects.count() + EventRecord.objects.count()
    assert not TransparencyLog.objects.filter(number__gt=1).exists()
