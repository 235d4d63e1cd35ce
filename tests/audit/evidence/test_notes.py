from base64 import b64decode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.evidence import notes
from audit.evidence.notes import (
    InvalidNote,
    MalformedNote,
    Note,
    Signature,
    Signer,
    Verifier,
)
from tests.transparency import Cosigner

# The example of Go's documentation of golang.org/x/mod/sumdb/note.
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SIGNATURE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
NOTE = f"{TEXT}\n{SIGNATURE}"
# Keys that Go's tests refuse.
BAD_KEYS = [
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
    "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
    "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    "",
    "PeterNeumann",
    "PeterNeumann+c74f20a3",
    "PeterNeumann+c74f20a3+é",
    "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
]
AT = datetime(2026, 5, 4, 12, 30, tzinfo=UTC)


@pytest.fixture
def signer():
    """Return the signer of Go's example."""
    return Signer("PeterNeumann", SEED)


@pytest.fixture
def witness():
    return Cosigner("witness.example/w1", bytes(range(32)))


def test_a_note_is_the_one_that_go_signs(signer):
    assert str(notes.sign(TEXT, [signer])) == NOTE
    assert str(signer.verifier) == KEY


def test_a_note_of_go_is_verified():
    opened = notes.verify(notes.parse(NOTE), [Verifier.parse(KEY)])

    assert opened.text == TEXT
    assert [(found.name, found.signed_at) for found in opened.signatures] == [
        ("PeterNeumann", None)
    ]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_malformed_key_is_refused(key):
    with pytest.raises(MalformedNote):
        Verifier.parse(key)


def test_a_changed_text_is_refused(signer):
    changed = Note(TEXT.replace("problem", "solution"), notes.parse(NOTE).signatures)

    with pytest.raises(InvalidNote, match="The signature of PeterNeumann is wrong"):
        notes.verify(changed, [signer.verifier])


def test_signatures_of_unknown_keys_are_kept_and_ignored(signer, witness):
    note = notes.sign(TEXT, [signer]).with_signatures([witness.cosign(TEXT, at=AT)])
    read = notes.parse(str(note))

    opened = notes.verify(read, [signer.verifier])

    assert read == note
    assert [found.name for found in opened.signatures] == ["PeterNeumann"]


def test_a_note_without_a_known_signature_is_refused(witness):
    with pytest.raises(InvalidNote, match="No known key"):
        notes.verify(notes.parse(NOTE), [witness.verifier])


def test_two_keys_of_one_name_both_sign(signer):
    next_key = Signer("PeterNeumann", bytes(32))
    note = notes.sign(TEXT, [next_key, signer])

    opened = notes.verify(note, [signer.verifier, next_key.verifier])

    assert [found.key_id for found in opened.signatures] == [
        next_key.verifier.key_id,
        signer.verifier.key_id,
    ]


def test_a_cosignature_states_when_the_witness_saw_it(signer, witness):
    note = notes.sign(TEXT, [signer]).with_signatures([witness.cosign(TEXT, at=AT)])
    published = Verifier.parse(str(witness.verifier))

    opened = notes.verify(notes.parse(str(note)), [signer.verifier, published])

    assert [(found.name, found.signed_at) for found in opened.signatures] == [
        ("PeterNeumann", None),
        ("witness.example/w1", AT),
    ]


def test_a_cosignature_with_another_time_is_refused(witness):
    cosignature = witness.cosign(TEXT, at=AT)
    later = Signature(
        cosignature.name, cosignature.key_id, bytes(7) + b"\1" + cosignature.value[8:]
    )

    with pytest.raises(InvalidNote):
        notes.verify(Note(TEXT, (later,)), [witness.verifier])


def test_a_cosignature_is_no_plain_signature(witness):
    signer = Signer(witness.name, bytes(range(32)))
    plain = signer.sign(TEXT)

    with pytest.raises(InvalidNote):
        witness.verifier.verify(TEXT, plain)
    with pytest.raises(InvalidNote):
        signer.verifier.verify(TEXT, witness.cosign(TEXT, at=AT))


def test_the_time_of_a_cosignature_may_be_out_of_range(witness):
    message = notes._message(TEXT, 2**64 - 1)
    value = b"\xff" * 8 + witness._key.sign(message)

    with pytest.raises(InvalidNote, match="out of range"):
        witness.verifier.verify(TEXT, Signature(witness.name, witness.verifier.key_id, value))


def test_the_same_signature_is_added_once(signer):
    note = notes.sign(TEXT, [signer])

    assert note.with_signatures(note.signatures) == note


@pytest.mark.parametrize(
    "note",
    [
        "",
        TEXT,
        SIGNATURE,
        NOTE[:-1],
        f"{TEXT}\n",
        f"{TEXT}\n— PeterNeumann\n",
        f"{TEXT}\n— PeterNeumann x08g\n",
        f"{TEXT}\n— PeterNeumann x08go/ZJkuBS9\n",
        f"{TEXT}\n- PeterNeumann x08go/ZJkuBS9UG=\n",
        f"{TEXT}\n— Peter+Neumann x08go/ZJkuBS9UG/\n",
        f"{TEXT}\t\n{SIGNATURE}".replace("\t\n", "\t\n\n"),
        f"{TEXT}\n{SIGNATURE * 101}",
    ],
)
def test_a_malformed_note_is_refused(note):
    with pytest.raises(MalformedNote):
        notes.parse(note)


@given(st.text())
def test_any_text_is_a_note_or_malformed(text):
    try:
        note = notes.parse(text)
    except MalformedNote:
        return
    assert str(note) == text


@pytest.mark.parametrize("text", ["", "no newline", "a\tb\n", "a\0b\n"])
def test_a_text_that_cannot_be_signed_is_refused(signer, text):
    with pytest.raises(MalformedNote):
        notes.sign(text, [signer])


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb"])
def test_a_name_that_cannot_be_written_is_refused(name):
    with pytest.raises(MalformedNote):
        Signer(name, bytes(32))
