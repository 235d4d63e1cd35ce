"""A transparency log of the records that are there, and its entries."""

from audit.evidence import entries, records
from audit.evidence.models import Leaf, LogKey, SignedCheckpoint, TransparencyLog
from audit.evidence.sequencing import logs
from audit.evidence.sequencing.sequencer import add_leaves
from audit.log.feed import Place, horizon
from audit.models.records import CommandRecord, EventRecord
from tests.threads import until


def sequence(*, limit=2_000):
    """Add leaves until every record has one: transactions elsewhere may hold the horizon back."""

    def is_complete():
        add_leaves(before=horizon(Place()).place, limit=limit)
        return leaves_of_records() == CommandRecord.objects.count() + EventRecord.objects.count()

    until(is_complete)


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
