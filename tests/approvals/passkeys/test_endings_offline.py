"""The end of a passkey before a vote, as the single script finds it in a published log."""

import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import call_command

from apikeys.commands import DisableApiKey
from approvals.decisions import evidence
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest
from approvals.passkeys.commands import RemovePasskey, ResetPasskeys
from approvals.passkeys.models import Passkey
from approvals.sealing import evidence_files
from audit.bus.context import Context
from audit.evidence.appending.sequencer import add_leaves
from audit.evidence.models import Leaf
from audit.evidence.publishing.proofs import proofs_of
from audit.evidence.sequencing import keys
from audit.installation.settings import countersign
from audit.log.feed import Place, horizon
from audit.models.records import CommandRecord, EventRecord
from tests.approvals.authenticators import ORIGIN, Authenticator, registered, signature
from tests.conftest import actor, approved, completed, held, policy
from tests.tampering import without_triggers
from tests.threads import until
from tests.transparency import last_checkpoint, sequence

UNPROVEN = "rests on the server's signature"


@pytest.fixture(autouse=True)
def _served(configure):
    """The address at which the passkeys of these tests are used."""
    configure(BASE_URL=ORIGIN)


@pytest.fixture
def asked(security, ann, bob, first_key, dana, context_of):
    """Dana's request, which needs signed votes of Ann and Bob."""
    policy("apikeys.disable", group=security, quorum=2, signed_votes=True)
    return held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))


@pytest.fixture
def vote(asked):
    """A function by which a person votes with a passkey."""

    def cast(person, authenticator):
        signed = signature(asked, person, authenticator)
        command = Approve(approval_request_id=asked.pk, digest=asked.digest, signature=signed)
        completed(command, context=Context(actor=actor(person)))

    return cast


@pytest.fixture
def remove():
    """A function by which a person removes a passkey."""

    def end(person, passkey):
        completed(RemovePasskey(passkey_id=passkey.pk), context=Context(actor=actor(person)))

    return end


@pytest.fixture
def authenticators(ann, bob):
    """The authenticators with the registered passkeys of Ann and Bob."""
    found = Authenticator(), Authenticator()
    for person, each in zip((ann, bob), found, strict=True):
        registered(person, each)
    return found


@pytest.fixture
def decided(asked, authenticators, vote, remove, ann, bob, dana):
    """The request, executed after signed votes, while the passkey of another person ended."""
    remove(dana, registered(dana, Authenticator()))
    vote(ann, authenticators[0])
    vote(bob, authenticators[1])
    sequence()
    return ApprovalRequest.objects.get(pk=asked.pk)


@pytest.fixture
def verify(tmp_path):
    """A function that runs the script on signed evidence, with some published logs."""

    def run(content, *logs):
        call_command("evidence", "publish", to=tmp_path, stdout=StringIO())
        file = tmp_path / "evidence.json"
        file.write_bytes(evidence_files.write(content, seed=countersign().evidence_key))
        known = [str(key) for log in (1, 2) for key in keys.verifiers(log)]
        options = [
            *(f"--log-key={each}" for each in known),
            *(f"--log={tmp_path / str(each)}" for each in logs),
        ]
        command = [sys.executable, "-I", "docs/evidence_verify.py", str(file), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout

    return run


def test_a_published_log_shows_that_no_passkey_ended_before_its_vote(decided, verify):
    output = verify(evidence.gather(decided), 1)

    assert output.count("was neither removed nor reset between its registration") == 2
    assert "Other passkeys that ended in between: 1." in output
    assert UNPROVEN not in output
    assert output.endswith("Genuine.\n")


def test_without_a_published_log_the_script_says_what_is_not_proven(decided, verify):
    output = verify(evidence.gather(decided))

    origin = last_checkpoint().note.split("\n")[0]
    assert f"The passkey of ann: that it was not removed before the vote {UNPROVEN}" in output
    assert f"because the published log {origin} was not given with --log." in output
    assert output.endswith("Genuine.\n")


def test_the_file_has_to_disclose_each_end_of_a_passkey(decided, verify):
    content = evidence.gather(decided)
    ended = EventRecord.objects.get(message_type="approvals.passkey_removed").position
    leaves = content["proofs"][0]["leaves"]
    (partial,) = (each for each in leaves if each["position"] == ended)
    assert set(partial["disclosed"]) == {"subject_id"}

    leaves.remove(partial)

    assert "NOT GENUINE: the file does not disclose which passkey ended" in verify(content, 1)


def test_an_end_that_the_file_leaves_out_is_found_in_the_log(
    asked, authenticators, vote, remove, verify, ann, bob, owner
):
    """The owner hides the event while Ann votes, then signs evidence without it."""
    remove(ann, Passkey.objects.get(user=ann))
    sequence()
    ended = EventRecord.objects.get(message_type="approvals.passkey_removed")
    owner.execute(
        "CREATE TEMP TABLE hidden AS SELECT * FROM audit_eventrecord WHERE position = %s",
        [ended.pk],
    )
    with without_triggers(owner, "audit_eventrecord"):
        owner.execute("DELETE FROM audit_eventrecord WHERE position = %s", [ended.pk])
    vote(ann, authenticators[0])
    vote(bob, authenticators[1])
    sequence_all_but(1)
    content = evidence.gather(ApprovalRequest.objects.get(pk=asked.pk))
    with without_triggers(owner, "audit_eventrecord"):
        owner.execute("INSERT INTO audit_eventrecord SELECT * FROM hidden")
    owner.execute("DROP TABLE hidden")

    assert "Genuine." in verify(content)
    assert "NOT GENUINE: the file does not disclose which passkey ended" in verify(content, 1)
    position = ended.position
    content["proofs"] = proofs_of(
        [each["position"] for proof in content["proofs"] for each in proof["leaves"]],
        partial={position: ("subject_id",)},
    )
    assert "NOT GENUINE: The passkey of ann was removed or reset before" in verify(content, 1)


def sequence_all_but(number):
    """Add leaves for all records; some leaves have none at the time."""

    def is_complete():
        add_leaves(before=horizon(Place()).place)
        records = CommandRecord.objects.count() + EventRecord.objects.count() + number
        return Leaf.objects.filter(position__isnull=False).count() == records

    until(is_complete)


def test_a_gap_in_the_events_of_a_passkey_is_found(
    decided, remove, verify, ann, manager, policy_owners
):
    remove(ann, Passkey.objects.get(user=ann))
    reset = held(ResetPasskeys(user_id=ann.pk), context=Context(actor=actor(manager)))
    approved(reset, *policy_owners[:2])
    sequence()
    content = evidence.gather(decided)
    assert "Genuine." in verify(content)

    content["events"] = [
        each for each in content["events"] if each["message_type"] != "approvals.passkey_removed"
    ]

    assert "NOT GENUINE: an event of a passkey is missing" in verify(content)


def test_a_vote_in_a_later_log_needs_all_logs_since_the_registration(
    asked, authenticators, vote, verify, ann, bob
):
    sequence()
    call_command("begin_epoch", reason="Restored", stdout=StringIO())
    vote(ann, authenticators[0])
    vote(bob, authenticators[1])
    sequence()
    content = evidence.gather(ApprovalRequest.objects.get(pk=asked.pk))

    assert UNPROVEN in verify(content, 2)
    output = verify(content, 1, 2)

    assert output.count("was neither removed nor reset") == 2
