"""The client of witnesses (C2SP tlog-witness)."""

import pytest

from audit.evidence import notes
from audit.evidence.checkpoints import parse_checkpoint
from audit.evidence.notes import Verifier
from audit.evidence.witnessing.destinations import witnesses
from audit.evidence.witnessing.publisher import attempt
from tests.audit.evidence.witnessing.witness import NAME
from tests.following import write
from tests.transparency import last_checkpoint, sequence

pytestmark = pytest.mark.django_db


@pytest.fixture
def send(witness):
    """A function that sends the newest checkpoint to the witness."""
    return lambda: attempt(next(witnesses()), last_checkpoint())


def test_the_first_checkpoint_is_cosigned(send, witness, checkpoint):
    publication = send()

    assert publication.accepted_at
    assert publication.destination == NAME
    assert (publication.log, publication.size) == (checkpoint.log, checkpoint.size)
    note = notes.parse(f"{checkpoint.note}{publication.cosignature}\n")
    opened = notes.verify(note, [Verifier.parse(witness.verifier_key)])
    assert [each.name for each in opened.signatures] == [NAME]
    assert witness.requests == [f"old 0\n\n{checkpoint.note}"]


def test_a_later_checkpoint_comes_with_a_proof_from_the_last(send, witness, checkpoint):
    send()
    for _ in range(3):
        write(3)
        sequence()
        assert send().accepted_at

    assert len(witness.requests) == 4
    assert witness.requests[1].startswith(f"old {checkpoint.size}\n")
    origin = parse_checkpoint(notes.parse(checkpoint.note).text).origin
    assert witness.kept[origin] == (last_checkpoint().size, bytes(last_checkpoint().root))


def test_the_size_that_the_witness_reports_is_proven_instead(send, witness, checkpoint):
    # Another server has sent it: this one does not know.
    next(witnesses()).send(checkpoint)
    write(3)
    sequence()

    publication = send()

    assert publication.accepted_at
    olds = [each.split("\n")[0] for each in witness.requests]
    assert olds == ["old 0", "old 0", f"old {checkpoint.size}"]


def test_a_witness_with_more_leaves_contradicts(send, witness, checkpoint):
    write(3)
    sequence()
    next(witnesses()).send(last_checkpoint())

    publication = attempt(next(witnesses()), checkpoint)

    assert publication.accepted_at is None
    size = last_checkpoint().size
    assert publication.answer == (
        f"Contradiction: The witness has {size} leaves of the log, here are {checkpoint.size}."
    )


@pytest.mark.parametrize("size", [0, -1], ids=["same size", "smaller"])
def test_a_witness_with_other_leaves_contradicts(size, send, witness, checkpoint):
    origin = parse_checkpoint(notes.parse(checkpoint.note).text).origin
    witness.kept[origin] = checkpoint.size + size, b"x" * 32

    publication = send()

    assert publication.accepted_at is None
    assert publication.answer in {
        "Contradiction: The witness has other leaves of the log.",
        f"Contradiction: The witness has another tree of {checkpoint.size} leaves.",
    }


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        ((404, ""), "The witness responded with the status 404."),
        ((403, ""), "The witness responded with the status 403."),
        ((503, "later"), "The witness responded with the status 503."),
        ((302, ""), "The witness responded with the status 302."),
        ((409, ""), "The witness reported a conflict without its size."),
        ((409, "-5\n"), "The witness reported a conflict without its size."),
        ((409, "9" * 60_000), "The witness reported a conflict without its size."),
        ((422, ""), "Contradiction: The witness has other leaves of the log."),
        ((200, ""), "The response has no valid cosignature of the witness."),
        ((200, "\u2014 x AAAA\n"), "The response has no valid cosignature of the witness."),
        ((200, "\x00\n\n" * 1_000), "The response has no valid cosignature of the witness."),
    ],
)
def test_a_fault_of_the_witness_is_recorded(fault, answer, send, witness):
    witness.fault = fault

    publication = send()

    assert (publication.accepted_at, publication.cosignature) == (None, "")
    assert publication.answer == answer


def test_a_cosignature_of_another_text_or_key_is_refused(send, witness, checkpoint):
    witness.fault = 200, witness.cosign("another text\n")
    assert send().accepted_at is None
    witness.fault = 200, checkpoint.note.split("\n\n")[1]
    assert send().accepted_at is None


def test_cosignatures_of_other_keys_are_ignored(send, witness, checkpoint):
    text = notes.parse(checkpoint.note).text
    own = witness.cosign(text)
    witness.fault = 200, f"\u2014 other.example {'A' * 6_000}\n{own}"

    assert send().cosignature == own.rstrip("\n")


def test_a_witness_that_is_away_is_recorded(send, witness):
    witness.shutdown()
    witness.server_close()

    publication = send()

    assert publication.accepted_at is None
    assert publication.answer == "The connection failed: Connection refused."
