"""Signing keys: rotation with overlap, and the public keys that stay published."""

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.utils import timezone

from audit.evidence import notes
from audit.evidence.appending.sequencer import add_leaves
from audit.evidence.models import Leaf, LogKey
from audit.evidence.notes import InvalidNote, Verifier
from audit.evidence.sequencing import keys, logs
from audit.log.feed import Place, horizon
from tests.following import write
from tests.transparency import (
    assert_consistent,
    entries_of,
    last_checkpoint,
    root_of,
    sequence,
)

OLD, NEW = b"o" * 32, b"n" * 32


@pytest.fixture
def rotated(configure):
    """A log signed by the old key, then by both, then by the new one; its three checkpoints."""
    found = []
    for used in ({"k1": OLD}, {"k2": NEW, "k1": OLD}, {"k2": NEW}):
        configure(LOG_KEYS=used)
        write(1)
        sequence()
        found.append(last_checkpoint())
    return found


def verifier(checkpoint, seed):
    origin = checkpoint.note.splitlines()[0]
    return notes.Signer(origin, seed).verifier


def accepts(checkpoint, seed):
    try:
        return bool(notes.verify(notes.parse(checkpoint.note), [verifier(checkpoint, seed)]))
    except InvalidNote:
        return False


def test_both_keys_sign_during_the_overlap(rotated):
    assert [accepts(each, OLD) for each in rotated] == [True, True, False]
    assert [accepts(each, NEW) for each in rotated] == [False, True, True]


def test_former_public_keys_stay_published_with_their_periods(rotated):
    old, new = keys.periods(1)

    assert Verifier.parse(old.verifier_key) == verifier(rotated[0], OLD)
    assert Verifier.parse(new.verifier_key) == verifier(rotated[0], NEW)
    assert old.began_at < new.began_at < old.ended_at <= timezone.now()
    assert new.ended_at is None
    assert timezone.now() - old.began_at < timedelta(minutes=5)


def test_every_beginning_and_end_of_a_key_is_a_leaf(rotated):
    leaves = Leaf.objects.filter(kind=Leaf.Kind.KEY).values_list("index", flat=True)

    assert sorted(leaves) == sorted(LogKey.objects.values_list("index", flat=True))
    assert [each.begins for each in LogKey.objects.order_by("index")] == [True, True, False]
    assert root_of(entries_of(1)) == bytes(last_checkpoint().root)
    assert_consistent(1)


def test_a_key_that_returns_begins_again(rotated, configure):
    configure(LOG_KEYS={"k2": NEW, "k1": OLD})
    add_leaves(before=horizon(Place()).place)

    first, _, again = keys.periods(1)
    assert first.verifier_key == again.verifier_key
    assert first.ended_at < again.began_at
    assert again.ended_at is None


def test_without_new_records_a_rotation_is_signed_as_well(rotated, configure):
    configure(LOG_KEYS={"k3": b"x" * 32, "k2": NEW})
    add_leaves(before=horizon(Place()).place)

    assert last_checkpoint().size > rotated[-1].size
    assert accepts(last_checkpoint(), b"x" * 32)


@pytest.mark.parametrize(
    "wrong",
    [
        {"LOG_ORIGIN": "our log"},
        {"LOG_ORIGIN": "a+b"},
        {"LOG_KEYS": {}},
        {"LOG_KEYS": {"k": b"x"}},
        {"LOG_KEYS": {"k2": OLD, "k1": OLD}},
    ],
)
def test_what_cannot_sign_is_found_before_it_has_to(configure, wrong):
    assert not [each for each in run_checks() if each.id == "audit.E025"]

    configure(**wrong)

    (found,) = [each for each in run_checks() if each.id == "audit.E025"]
    assert "transparency log" in found.msg


def test_the_origin_is_that_of_the_site_unless_it_is_set(configure):
    configure(BASE_URL="https://audit.example:8443/x")
    assert logs.origin() == "audit.example:8443/log"

    configure(BASE_URL="")
    assert logs.origin() == "log"

    configure(LOG_ORIGIN="other.example/audit")
    assert logs.origin() == "other.example/audit"
