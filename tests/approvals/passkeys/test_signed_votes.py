"""Signed votes: each is signed by a passkey of its voter, and by nothing else."""

import json
import subprocess
import sys
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.utils import timezone
from webauthn.helpers import bytes_to_base64url

from apikeys.commands import DisableApiKey
from approvals.decisions import evidence
from approvals.decisions.agreement import disagreements
from approvals.decisions.commands import Approve, Deny, ReleaseRequest, RequestChanges, TakeBack
from approvals.models import ApprovalRequest, Policy, Vote
from approvals.models.refusals import NotEnoughApprovals
from approvals.passkeys import listing
from approvals.passkeys.ceremonies import SignatureInvalid
from approvals.passkeys.commands import RemovePasskey
from approvals.passkeys.models import Passkey
from approvals.passkeys.signing import UnknownPasskey
from approvals.passkeys.votes import SignatureRequired
from approvals.policies.commands import CreatePolicy
from approvals.sealing import payloads
from audit.bus.context import Context
from audit.evidence.witnessing.publisher import publish_due
from audit.messages.exceptions import Forbidden, Invalid
from audit.outside import outside_command
from tests.approvals.authenticators import ORIGIN, PRESENT, Authenticator, registered, signature
from tests.conftest import actor, approved, completed, create_key, held, policy
from tests.http import call
from tests.tampering import without_triggers
from tests.test_locks import result_after_waiting
from tests.transparency import sequence


@pytest.fixture(autouse=True)
def _served(configure):
    """The address at which the passkeys of these tests are used."""
    configure(BASE_URL=ORIGIN)


@pytest.fixture
def signing(security, ann, bob):
    """The policy that two of Security approve with signed votes before a key is disabled."""
    return policy("apikeys.disable", group=security, quorum=2, signed_votes=True)


@pytest.fixture
def asked(signing, first_key, dana, context_of):
    """Dana's request, which needs signed votes of Ann and Bob."""
    return held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))


@pytest.fixture
def ann_key(ann):
    """The authenticator with Ann's passkey."""
    authenticator = Authenticator()
    registered(ann, authenticator)
    return authenticator


@pytest.fixture
def bob_key(bob):
    """The authenticator with Bob's passkey."""
    authenticator = Authenticator()
    registered(bob, authenticator)
    return authenticator


def cast(request, person, signed, kind=Approve):
    command = kind(approval_request_id=request.pk, digest=request.digest, signature=signed)
    return completed(command, context=Context(actor=actor(person), reason="Because"))


def refused(request, person, signed, kind=Approve):
    """Check that a vote is refused and not stored; return the class of the refusal."""
    before = request.votes.count()
    with pytest.raises(Forbidden) as refusal:
        cast(request, person, signed, kind)
    assert request.votes.count() == before
    return type(refusal.value)


def test_two_signed_votes_execute_the_command(asked, ann, bob, ann_key, bob_key, first_key):
    cast(asked, ann, signature(asked, ann, ann_key))
    cast(asked, bob, signature(asked, bob, bob_key))

    assert ApprovalRequest.objects.get(pk=asked.pk).state == "executed"
    stored = Vote.objects.get(voter=ann)
    assert set(stored.assertion) == {
        *("credential_id", "authenticator_data", "client_data", "signature", "nonce", "origin"),
    }
    assert stored.is_genuine


@pytest.mark.parametrize("kind", [Approve, Deny, RequestChanges])
def test_a_vote_without_a_signature_is_refused(asked, ann, ann_key, kind):
    assert refused(asked, ann, "", kind) is SignatureRequired


def test_a_denial_is_signed_as_one(asked, ann, ann_key):
    assert refused(asked, ann, signature(asked, ann, ann_key), Deny) is SignatureInvalid

    cast(asked, ann, signature(asked, ann, ann_key, decision="deny"), Deny)

    assert ApprovalRequest.objects.get(pk=asked.pk).state == "denied"


def test_a_denial_is_no_approval(asked, ann, ann_key):
    signed = signature(asked, ann, ann_key, decision="deny")

    assert refused(asked, ann, signed) is SignatureInvalid


def test_a_signature_is_for_one_vote_only(asked, ann, ann_key):
    signed = signature(asked, ann, ann_key)
    cast(asked, ann, signed)
    take_back = TakeBack(approval_request_id=asked.pk, digest=asked.digest)
    completed(take_back, context=Context(actor=actor(ann)))

    assert refused(asked, ann, signed) is SignatureInvalid
    asked.refresh_from_db()
    cast(asked, ann, signature(asked, ann, ann_key))


def test_a_signature_is_for_one_request_only(asked, ann, ann_key, dana, acme, context_of):
    key = create_key(dana, acme, name="other")
    other = held(DisableApiKey(api_key_id=key.id), context=context_of(dana))

    assert refused(asked, ann, signature(other, ann, ann_key)) is SignatureInvalid


@pytest.mark.parametrize(
    "changes",
    [{"digest": "ee" * 32}, {"requirements": {}}, {"number": 2}, {"delegator_id": 10**6}],
    ids=str,
)
def test_a_signature_covers_the_vote(asked, ann, ann_key, changes):
    assert refused(asked, ann, signature(asked, ann, ann_key, **changes)) is SignatureInvalid


def test_a_signature_covers_its_nonce(asked, ann, ann_key):
    signed = json.loads(signature(asked, ann, ann_key)) | {"nonce": "0c"}

    assert refused(asked, ann, json.dumps(signed)) is SignatureInvalid


def test_the_key_of_another_person_signs_nothing(asked, ann, ann_key, bob_key):
    assert refused(asked, ann, signature(asked, ann, bob_key)) is UnknownPasskey


def test_the_signature_of_another_key_under_ones_own_id_is_refused(asked, ann, ann_key, bob_key):
    bob_key.id = ann_key.id

    assert refused(asked, ann, signature(asked, ann, bob_key)) is SignatureInvalid


def test_a_removed_key_signs_nothing(asked, ann, ann_key):
    passkey = registered(ann, Authenticator(), signer=ann_key)
    first = type(passkey).objects.exclude(pk=passkey.pk).get(user=ann)
    completed(RemovePasskey(passkey_id=first.pk), context=Context(actor=actor(ann)))

    assert refused(asked, ann, signature(asked, ann, ann_key)) is UnknownPasskey


def test_user_verification_is_required(asked, ann, ann_key):
    ann_key.flags = PRESENT

    assert refused(asked, ann, signature(asked, ann, ann_key)) is SignatureInvalid


def test_a_signature_waits_for_the_counter_of_its_passkey(owner, asked, ann, ann_key):
    passkey = Passkey.objects.get(user=ann)
    vote = partial(cast, asked, ann, signature(asked, ann, ann_key))

    result_after_waiting(owner, "approvals_passkeycounter", passkey.pk, vote, key="passkey_id")

    assert asked.votes.count() == 1


def test_a_copy_is_noticed_by_its_counter(asked, ann, ann_key):
    signed = signature(asked, ann, ann_key)
    registered(ann, Authenticator(), signer=ann_key)

    assert refused(asked, ann, signed) is SignatureInvalid


@pytest.mark.parametrize(
    "text",
    ["x", "[]", "{}", '{"signature": 1}', "[" * 5_000, '{"credential_id": "%"}', "é" * 9_999],
)
def test_a_malformed_signature_is_refused(asked, ann, ann_key, text):
    assert refused(asked, ann, text) in (SignatureInvalid, UnknownPasskey)


def test_the_api_refuses_such_votes_and_says_why(asked, ann, browser):
    url = f"/api/v2/approval-requests/{asked.pk}/approve"

    answer = call(browser(ann), "POST", url, {"digest": asked.digest})

    assert answer.status_code == 403
    assert answer.json()["code"] == "signature_required"
    assert "on its page" in answer.json()["detail"]


@pytest.mark.parametrize("is_signed", [False, True], ids=["unsigned", "signed by another key"])
def test_the_keys_of_the_server_make_no_approval(asked, ann, bob, ann_key, bob_key, is_signed):
    """Whoever has them can seal a vote of Bob, but not sign it."""
    cast(asked, ann, signature(asked, ann, ann_key))
    forged = Vote.objects.get(voter=ann)
    forged.pk, forged.voter, forged.voter_label = uuid4(), bob, "bob"
    forged.assertion = forged.assertion if is_signed else None
    forged.mac = payloads.sign(forged.signed_content)
    with outside_command("An attack"):
        forged.add()

    assert Vote.objects.get(voter=bob).is_genuine
    with pytest.raises(NotEnoughApprovals):
        release_request(asked)


def test_a_vote_of_a_key_that_only_the_database_knows_does_not_count(
    asked, ann, bob, ann_key, bob_key
):
    """Without the keys of the server, a passkey that was inserted by hand is not genuine."""
    cast(asked, ann, signature(asked, ann, ann_key))
    owned = Authenticator()
    passkey = listing.current(bob.pk)[0]
    passkey.pk, passkey.credential_id = uuid4(), bytes_to_base64url(owned.id)
    with outside_command("An attack"):
        passkey.add()

    assert refused(asked, bob, signature(asked, bob, owned)) is UnknownPasskey


def test_bulk_decisions_name_the_reason(asked, ann, ann_key, browser):
    client, url = browser(ann), "/admin/approvals/approvalrequest/selected/"
    shown = client.get(url, {"verb": "approve", "request": asked.pk})
    assert "decide it on its own page" in shown.text

    form = {"digest": asked.digest, "number": asked.number, "effect": "needs_1_more"}
    fields = {f"{name}-{asked.pk}": value for name, value in form.items()}
    answer = client.post(url, {"verb": "approve", "request": asked.pk, **fields})

    assert "requires that votes on this request are signed" in answer.text
    assert not asked.votes.exists()


def test_an_unsigned_vote_no_longer_counts_once_signatures_are_required(
    disabling_needs_two, first_key, dana, ann, bob, ann_key, bob_key, context_of
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    approved(request, ann)
    made = Policy.objects.get()
    with outside_command("A stricter policy for a test"):
        made.edit(signed_votes=True)

    cast(request, bob, signature(request, bob, bob_key))
    assert ApprovalRequest.objects.get(pk=request.pk).state == "pending"
    take_back = TakeBack(approval_request_id=request.pk, digest=request.digest)
    completed(take_back, context=Context(actor=actor(ann)))
    request.refresh_from_db()
    cast(request, ann, signature(request, ann, ann_key))

    assert ApprovalRequest.objects.get(pk=request.pk).state == "executed"


def test_the_seal_of_a_policy_covers_the_option(signing):
    with outside_command("An attack"):
        Policy.objects.filter(pk=signing.pk).update(signed_votes=False)

    assert "does not match its seal" in Policy.objects.get(pk=signing.pk).problem


def test_earlier_seals_stay_valid(disabling_needs_two):
    made = Policy.objects.get()

    assert "signed_votes" not in made.seals.get().content
    assert made.problem == ""
    assert made.seals.get().columns()["signed_votes"] is False


def test_a_policy_cannot_require_what_its_server_cannot_do(
    configure, security, ann, bob, manager, policy_owners, context_of
):
    configure(BASE_URL="http://192.0.2.1")
    draft = CreatePolicy(
        governs="apikeys.disable", groups=(security.pk,), quorums=(1,), signed_votes=True
    )

    with pytest.raises(Invalid) as refusal:
        completed(draft, context=context_of(manager))

    assert [each.field for each in refusal.value.errors] == ["signed_votes"]


def test_a_passkey_counts_between_its_registration_and_its_end(ann, ann_key):
    (passkey,) = listing.current(ann.pk)
    registered_at = passkey.registered_at

    assert listing.counts(passkey, timezone.now())
    assert not listing.counts(passkey, registered_at)
    passkey.ended_at = registered_at + timedelta(seconds=2)
    assert listing.counts(passkey, registered_at + timedelta(seconds=1))
    assert not listing.counts(passkey, registered_at + timedelta(seconds=2))


def test_evidence_has_the_signatures_and_can_be_checked_offline(
    asked, ann, bob, ann_key, bob_key, configure
):
    cast(asked, ann, signature(asked, ann, ann_key))
    cast(asked, bob, signature(asked, bob, bob_key))
    executed = ApprovalRequest.objects.get(pk=asked.pk)
    configure(BASE_URL="https://moved.example")
    found = json.loads(evidence.write(executed))["evidence"]

    assert {each["name"] for each in found["passkeys"]} == {"key"}
    registered = [each["message_type"] for each in found["events"]].count(
        "approvals.passkey_registered"
    )
    assert registered == 2
    assert {each["assertion"]["origin"] for each in found["votes"]} == {ORIGIN}
    assert disagreements(found) == []


def test_the_single_script_verifies_the_signatures(asked, ann, bob, ann_key, bob_key, tmp_path):
    cast(asked, ann, signature(asked, ann, ann_key))
    cast(asked, bob, signature(asked, bob, bob_key))
    file = tmp_path / "evidence.json"
    file.write_bytes(evidence.write(ApprovalRequest.objects.get(pk=asked.pk)))

    command = [sys.executable, "-I", "docs/evidence_verify.py", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout.count("approve, signed with a passkey.") == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found["votes"][0].update(assertion=None),
        lambda found: found["votes"][0].update(assertion=found["votes"][1]["assertion"]),
        lambda found: found["votes"][0].update(number=3),
        lambda found: found["requirements"].update(policies=[]),
        lambda found: found.pop("passkeys"),
        lambda found: found["events"].clear(),
        lambda found: found["passkeys"][0].update(user_id=0),
        lambda found: found["passkeys"][0].update(public_key=found["passkeys"][1]["public_key"]),
        lambda found: found["passkeys"][0].update(ended_at=found["passkeys"][0]["registered_at"]),
        lambda found: found["votes"][0]["assertion"].update(origin="https://moved.example"),
    ],
)
def test_evidence_with_another_signature_contradicts_itself(
    asked, ann, bob, ann_key, bob_key, change
):
    cast(asked, ann, signature(asked, ann, ann_key))
    cast(asked, bob, signature(asked, bob, bob_key))
    found = evidence.gather(ApprovalRequest.objects.get(pk=asked.pk))
    first = found["votes"][0]["assertion"]["credential_id"]
    found["passkeys"].sort(key=lambda each: each["credential_id"] != first)

    change(found)

    assert any("without a valid signature" in each for each in disagreements(found))


@pytest.fixture
def outside(configure, tmp_path):
    """A directory outside, to which checkpoints are sent."""
    configure(LOG_DIRECTORIES=(str(tmp_path),))


def publish():
    """Sign a checkpoint over all records, and send it outside."""
    sequence()
    assert publish_due() == 1


def test_a_passkey_counts_once_its_registration_is_known_outside(
    outside, asked, ann, ann_key, browser
):
    page = f"/admin/approvals/approvalrequest/{asked.pk}/change/"
    assert refused(asked, ann, signature(asked, ann, ann_key)) is UnknownPasskey
    assert "does not count yet" in browser(ann).get(page).text

    publish()

    assert "does not count yet" not in browser(ann).get(page).text
    cast(asked, ann, signature(asked, ann, ann_key))


def test_a_key_in_the_place_of_the_one_known_outside_does_not_count(
    outside, asked, ann, ann_key, owner
):
    """The owner of the database, with the keys of the server, exchanges the public key."""
    publish()
    (passkey,) = listing.current(ann.pk)
    assert listing.counts(passkey, timezone.now())
    passkey.public_key = passkey.public_key[::-1]
    passkey.sign()

    with without_triggers(owner, "approvals_passkey"):
        change = "UPDATE approvals_passkey SET public_key = %s, mac = %s WHERE id = %s"
        owner.execute(change, [passkey.public_key, passkey.mac, passkey.pk])

    (altered,) = listing.current(ann.pk)
    assert altered.public_key == passkey.public_key
    assert altered.is_genuine
    assert not listing.counts(altered, timezone.now())


def release_request(request):
    completed(ReleaseRequest(approval_request_id=request.pk))
