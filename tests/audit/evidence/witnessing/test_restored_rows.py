"""After rows were restored into the same database, a witness knows more leaves than it has."""

import pytest

from audit.entry.shell import carry_out
from audit.evidence.appending.sequencer import Sequencer
from audit.evidence.models import LogKey, Publication, TransparencyLog
from audit.evidence.sequencing.directories import Forking
from audit.evidence.witnessing.destinations import witnesses
from audit.evidence.witnessing.publisher import attempt, publish_due
from audit.log.commands import BeginEpoch
from tests.following import write
from tests.tampering import without_triggers
from tests.threads import until
from tests.transparency import last_checkpoint, leaves_of_records, sequence

pytestmark = pytest.mark.django_db


@pytest.fixture
def restored(witness, checkpoint, owner):
    """The checkpoint up to which the rows are there again; the witness has cosigned a later one."""
    write(2)
    sequence()
    attempt(next(witnesses()), last_checkpoint())
    place = f"({checkpoint.epoch}, '{checkpoint.xid}'::xid8, {checkpoint.position})"
    for table, condition in {
        "audit_leaf": f'"index" >= {checkpoint.size}',
        "audit_signedcheckpoint": f"size > {checkpoint.size}",
        "audit_publication": f"size > {checkpoint.size}",
        "audit_commandrecord": f"(epoch, xid, position) > {place}",
        "audit_eventrecord": f"(epoch, xid, position) > {place}",
    }.items():
        with without_triggers(owner, table):
            owner.execute(f"DELETE FROM {table} WHERE {condition}")
    assert not Publication.objects.exists()
    return checkpoint


def work():
    """The first turns of a worker that has just started, until no record is without a leaf."""
    worker, before = Sequencer(), leaves_of_records()

    def has_added():
        worker.turn()
        return leaves_of_records() > before

    until(has_added)


def test_a_worker_that_starts_signs_nothing_below_the_witness(restored, witness):
    write(5)

    with pytest.raises(Forking, match=r"witness\.example/w1: The witness has [0-9]+ leaves"):
        work()

    assert last_checkpoint().size == restored.size
    # Also later, and in other workers.
    with pytest.raises(Forking):
        sequence()
    witness.fault = 503, ""
    with pytest.raises(Forking):
        work()
    assert last_checkpoint().size == restored.size


def test_a_new_epoch_begins_a_log_that_the_witness_cosigns(restored, witness):
    write(1)
    with pytest.raises(Forking):
        work()

    carry_out(BeginEpoch(), reason="Restored rows")
    work()

    former, log = TransparencyLog.objects.order_by("number")
    assert (log.former, log.former_size) == (former, restored.size)
    witness.trust(LogKey.objects.get(log=log.number).verifier_key)
    assert attempt(next(witnesses()), last_checkpoint()).accepted_at


def test_with_the_missing_rows_it_continues(restored, witness):
    write(1)
    with pytest.raises(Forking):
        work()
    # As if they were there: the witness has no more than this database.
    origin = TransparencyLog.objects.get().origin
    witness.kept[origin] = restored.size, bytes(restored.root)

    work()

    assert last_checkpoint().size > restored.size


def test_a_witness_that_is_removed_stops_nothing(restored, configure):
    write(1)
    with pytest.raises(Forking):
        work()

    configure(LOG_WITNESSES={})
    work()


def test_a_witness_that_is_away_stops_nothing(witness):
    witness.fault = 503, ""
    write(1)

    work()

    assert Publication.objects.get().accepted_at is None


def test_rows_that_were_restored_while_workers_run_are_noticed(restored):
    publish_due()
    write(1)

    with pytest.raises(Forking):
        sequence()
