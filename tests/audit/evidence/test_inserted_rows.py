"""Rows that do not belong to the log: of before a secret was needed, or of the tables' owner."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audit.evidence import merkle, notes
from audit.evidence.checkpoints import Checkpoint
from audit.evidence.models import Leaf, LogKey, Publication, SignedCheckpoint, TransparencyLog
from audit.evidence.notes import Signer
from audit.evidence.publishing.proofs import proofs_of
from audit.evidence.sequencing import signed
from audit.evidence.verification.comparison import compare
from audit.evidence.witnessing import standings
from audit.evidence.witnessing.publisher import publish_due
from audit.log.feed import Place
from tests.transparency import Cosigner, assert_complete, last_checkpoint, written

EARLY = "its checkpoint was signed later than it was accepted"
FAR = Place(epoch=1, xid=2**60, position=2**60)


def insert(size, *, note="note", root=bytes(32), place=FAR):
    """Insert a checkpoint that says that all records up to a place have leaves."""
    return written(
        SignedCheckpoint,
        log=1,
        size=size,
        root=root,
        note=note,
        signed_at=timezone.now(),
        **place._asdict(),
    )


def problems():
    return [str(each) for progress in compare() for each in progress.problems]


def forged_leaf(log, size):
    """Insert a leaf with a checkpoint of the resulting tree, signed with another key."""
    signer = Signer(TransparencyLog.objects.get(number=log).origin, bytes(32))
    hashes = [bytes(each.hash) for each in Leaf.objects.filter(log=log).order_by("index")]
    frontier = merkle.Frontier()
    for each in [*hashes, bytes(32)]:
        frontier.append(each)
    root = frontier.root()
    written(Leaf, log=log, index=size, kind=Leaf.Kind.KEY, hash=bytes(32))
    written(
        LogKey,
        log=log,
        index=size,
        verifier_key=str(signer.verifier),
        begins=True,
        at=timezone.now(),
    )
    text = str(Checkpoint(signer.name, size + 1, root))
    insert(size + 1, note=str(notes.sign(text, [signer])), root=root)


@pytest.mark.parametrize("note", ["note", "", "a\n1\n" + "A" * 43 + "=\n\n— x AAAAAAAAAAAA\n"])
def test_an_inserted_checkpoint_hides_no_signed_one(note, fill_log):
    genuine = fill_log()
    expected = Client().get("/log/1/checkpoint").content
    insert(10**15, note=note)

    assert Client().get("/log/1/checkpoint").content == expected
    assert signed.newest_of_all() == genuine
    origin = TransparencyLog.objects.get().origin
    unsigned = f"The checkpoint of {10**15} leaves of {origin} has no valid signature"
    assert problems() == [unsigned]


def test_an_inserted_checkpoint_does_not_stop_the_sequencer(fill_log):
    fill_log()
    insert(10**15)

    fill_log()

    assert_complete()
    leaf = Leaf.objects.filter(position__isnull=False).order_by("index").last()
    (proof,) = proofs_of([leaf.position])
    assert f"\n{signed.newest_of_all().size}\n" in proof["checkpoint"]


def test_leaves_with_the_signature_of_another_key_are_not_continued(fill_log):
    genuine = fill_log()

    forged_leaf(1, genuine.size)

    assert signed.newest_of_all() == genuine
    assert f"\n{genuine.size}\n" in Client().get("/log/1/checkpoint").text
    assert any(each.startswith(f"The public key, leaf {genuine.size} of") for each in problems())


def test_a_leaf_beyond_the_checkpoints_is_named(fill_log):
    size = fill_log().size
    written(Leaf, log=1, index=size + 5, kind=Leaf.Kind.KEY, hash=bytes(32))

    (problem,) = problems()

    assert problem.startswith(f"Leaf {size + 5} of ")
    assert problem.endswith(" was inserted: no checkpoint has it")


def test_a_malformed_key_does_not_keep_the_others_from_signing(fill_log):
    fill_log()
    written(LogKey, log=1, index=10**6, verifier_key="x", begins=True, at=timezone.now())

    fill_log()

    assert_complete()


def test_inserted_publications_put_off_no_attempt_and_no_alarm(fill_log, configure, tmp_path):
    configure(LOG_DIRECTORIES=(str(tmp_path),))
    fill_log()
    far = timezone.now() + timedelta(days=3650)
    for values in (
        {"log": 9, "size": 10**15, "accepted_at": timezone.now()},
        {"log": 1, "size": 10**15, "accepted_at": timezone.now()},
        {"log": 1, "size": 1, "attempted_at": far, "answer": "x"},
    ):
        written(
            Publication, **{"destination": str(tmp_path), "attempted_at": timezone.now(), **values}
        )

    assert standings.newest_outside() is None
    assert standings.is_overdue(now=timezone.now() + timedelta(days=1))
    configure(LOG_PUBLISH_EVERY=timedelta(0))
    assert publish_due() == 1


def test_an_inserted_cosignature_of_a_known_witness_is_left_out(fill_log, configure):
    witness = Cosigner("witness.example/w1", bytes(range(32)))
    configure(LOG_WITNESSES={"https://witness.example/": str(witness.verifier)})
    text = notes.parse(fill_log().note).text
    genuine = witness.cosign(text, at=timezone.now())
    other = witness.cosign(text.replace("\n", "x\n", 1), at=timezone.now())
    for each in (other, genuine):
        written(
            Publication,
            log=1,
            size=last_checkpoint().size,
            destination="https://witness.example/",
            cosignature=str(each).rstrip("\n"),
            attempted_at=timezone.now(),
        )

    served = Client().get("/log/1/checkpoint").text

    assert str(genuine) in served
    assert str(other) not in served


def test_keys_and_publications_that_are_not_of_the_log_are_named(fill_log):
    checkpoint = fill_log()
    where = {"log": 1, "size": checkpoint.size, "destination": "/mnt/auditors"}
    early = checkpoint.signed_at - timedelta(hours=1)
    written(LogKey, log=1, index=10**6, verifier_key="x", begins=True, at=early)
    first = written(Publication, **where | {"size": 10**6}, accepted_at=timezone.now())
    second = written(Publication, **where, accepted_at=early)
    written(Publication, **where, accepted_at=timezone.now())
    written(Publication, **where, answer="It failed")

    found = [each.replace(" of log 1 to /mnt/auditors was inserted: ", "|") for each in problems()]
    assert found == [
        "The public key x at leaf 1000000 of log 1 was inserted: no leaf has it",
        f"Publication {first.pk} of 1000000 leaves|there is no such checkpoint",
        f"Publication {second.pk} of {checkpoint.size} leaves|{EARLY}",
    ]
