"""Passkeys: registering, removing and resetting them, each a command on the record."""

import io
import re
from datetime import timedelta

import pytest
from django.core.management import CommandError as ShellError
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from approvals.passkeys import listing
from approvals.passkeys.ceremonies import PasskeysUnavailable, SignatureInvalid, relying_party
from approvals.passkeys.commands import RemovePasskey, ResetPasskeys
from approvals.passkeys.handlers import (
    AlreadyRegistered,
    AlreadyRemoved,
    CodeRequired,
    OwnPasskeysOnly,
    ResetRequired,
)
from approvals.passkeys.models import Passkey, PasskeyCounter
from approvals.passkeys.signing import UnknownPasskey
from audit.bus.context import Context
from audit.messages.exceptions import NotFound
from audit.models.records import EventRecord
from tests.approvals.authenticators import (
    ORIGIN,
    PRESENT,
    Authenticator,
    registered,
    registration,
)
from tests.conftest import AS_SYSTEM, PASSWORD, actor, approved, completed, held
from tests.mails import forget, sent

PAGE = "/requests/passkeys/"


@pytest.fixture(autouse=True)
def _served(configure):
    """The address at which the passkeys of these tests are used."""
    configure(BASE_URL=ORIGIN)


def remove(passkey, person):
    completed(RemovePasskey(passkey_id=passkey.pk), context=Context(actor=actor(person)))


def refusal_of(command, person, kind):
    with pytest.raises(kind) as refusal:
        completed(command, context=Context(actor=actor(person)))
    return str(refusal.value)


def test_a_first_passkey_is_registered_and_announced(ann, policy_owners):
    for person in (ann, policy_owners[0]):
        person.email = f"{person}@example.com"
        person.save()
    forget()

    passkey = registered(ann, Authenticator(), name="phone")

    assert [each.pk for each in listing.current(ann.pk)] == [passkey.pk]
    event = EventRecord.objects.get(message_type="approvals.passkey_registered")
    assert event.data["credential_id"] == passkey.credential_id
    assert event.data["public_key"] == passkey.public_key
    assert event.command_id == passkey.command_id
    mails = sent()
    assert {each.to[0] for each in mails} == {f"{policy_owners[0]}@example.com", "ann@example.com"}
    assert "registered a first passkey" in mails[0].body


def test_a_further_passkey_is_signed_with_an_earlier_one(ann):
    first, second = Authenticator(), Authenticator()
    passkey = registered(ann, first)

    refusal_of(registration(ann, second), ann, SignatureInvalid)
    refusal_of(registration(ann, second, signer=second), ann, UnknownPasskey)
    registered(ann, second, signer=first)

    assert len(listing.current(ann.pk)) == 2
    event = EventRecord.objects.filter(message_type="approvals.passkey_registered").last()
    assert event.data["signed_with"] == str(passkey.pk)


def test_the_signature_is_for_one_further_passkey_only(ann):
    first, second, third = Authenticator(), Authenticator(), Authenticator()
    registered(ann, first)
    signed = registration(ann, second, signer=first)
    other = registration(ann, third)

    swapped = type(other)(**{**other.plain(), "signature": signed.signature})

    refusal_of(swapped, ann, SignatureInvalid)


COUNTER = "UPDATE approvals_passkeycounter SET"
INSERTED = (
    "INSERT INTO approvals_passkeycounter SELECT id, {}, now() FROM approvals_passkey"
    " ON CONFLICT (passkey_id) DO NOTHING"
)


def execute_inside_a_command(statement):
    """Execute a statement as the application's role."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', gen_random_uuid()::text, true)")
        cursor.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        f"{COUNTER} sign_count = sign_count - 1",
        f"{COUNTER} sign_count = sign_count",
        f"{COUNTER} sign_count = 0",
        f"{COUNTER} passkey_id = gen_random_uuid()",
        INSERTED.format(7),
        "DELETE FROM approvals_passkeycounter",
        f"SELECT set_config('audit.command_id', '', true); {COUNTER} sign_count = sign_count + 1",
    ],
)
def test_a_counter_only_grows(statement, ann):
    authenticator = Authenticator()
    registered(ann, authenticator)
    registered(ann, Authenticator(), signer=authenticator)
    (before,) = PasskeyCounter.objects.filter(sign_count__gt=0).values()

    with pytest.raises(DatabaseError):
        execute_inside_a_command(statement)

    assert PasskeyCounter.objects.filter(sign_count__gt=0).values().get() == before


def test_the_time_of_a_signature_is_that_of_the_database(ann):
    registered(ann, Authenticator())

    execute_inside_a_command(f"{COUNTER} sign_count = sign_count + 1, used_at = '2020-01-01'")

    assert timezone.now() - PasskeyCounter.objects.get().used_at < timedelta(minutes=5)


def test_a_copy_of_a_passkey_is_noticed_by_its_counter(ann):
    first = Authenticator()
    registered(ann, first)
    registered(ann, Authenticator(), signer=first)
    first.count = 0

    refusal_of(registration(ann, Authenticator(), signer=first), ann, SignatureInvalid)


def test_a_passkey_that_does_not_count_signs_again_and_again(ann):
    first = Authenticator(counts=False)
    registered(ann, first)
    registered(ann, Authenticator(), signer=first)
    registered(ann, Authenticator(), signer=first)

    assert len(listing.current(ann.pk)) == 3


@pytest.mark.parametrize(
    "authenticator",
    [Authenticator("https://elsewhere.example"), Authenticator(flags=PRESENT)],
    ids=["another origin", "no user verification"],
)
def test_what_is_not_verified_is_refused(ann, authenticator):
    refusal_of(registration(ann, authenticator), ann, SignatureInvalid)

    assert not Passkey.objects.exists()


def test_a_registration_is_for_one_person_and_one_passkey(ann, bob):
    first = Authenticator()
    command = registration(ann, first)

    refusal_of(command, bob, SignatureInvalid)
    registered(ann, first)
    refusal_of(registration(bob, first), bob, AlreadyRegistered)


@pytest.mark.parametrize(
    "attestation", ["", "AAAA", "%", "oWNmbXRkbm9uZQ", "é", "o2NmbXQB", "a" * 20_000]
)
def test_a_malformed_response_is_refused(ann, attestation):
    good = registration(ann, Authenticator())
    command = type(good)(**{**good.plain(), "attestation": attestation})

    refusal_of(command, ann, SignatureInvalid)


def test_services_and_keys_have_no_passkeys(ann):
    with pytest.raises(OwnPasskeysOnly):
        completed(registration(ann, Authenticator()), context=AS_SYSTEM)


def test_a_removed_passkey_no_longer_signs(ann, bob):
    first, second = Authenticator(), Authenticator()
    passkey = registered(ann, first)
    registered(ann, second, signer=first)

    refusal_of(RemovePasskey(passkey_id=passkey.pk), bob, NotFound)
    remove(passkey, ann)

    refusal_of(RemovePasskey(passkey_id=passkey.pk), ann, AlreadyRemoved)
    refusal_of(registration(ann, Authenticator(), signer=first), ann, UnknownPasskey)
    registered(ann, Authenticator(), signer=second)


def test_after_the_last_one_owners_have_to_reset_them(ann, manager, policy_owners):
    remove(registered(ann, Authenticator()), ann)
    refusal_of(registration(ann, Authenticator()), ann, ResetRequired)
    olga, otto, _ = policy_owners

    reset = held(ResetPasskeys(user_id=ann.pk), context=Context(actor=actor(manager)))
    assert [rule["group"] for rule in reset.requirements["rules"]] == ["Policy owners"]
    assert approved(reset, olga, otto).state == "executed"

    registered(ann, Authenticator())


def test_a_reset_removes_every_passkey(ann, manager, policy_owners):
    first = Authenticator()
    registered(ann, first)
    registered(ann, Authenticator(), signer=first)

    reset = held(ResetPasskeys(user_id=ann.pk), context=Context(actor=actor(manager)))
    approved(reset, *policy_owners[:2])

    assert listing.of_person(ann.pk) == []


def test_the_first_passkey_of_an_owner_needs_a_code(policy_owners, browser):
    olga, first = policy_owners[0], Authenticator()
    refusal_of(registration(olga, first), olga, CodeRequired)
    out = io.StringIO()
    call_command("approvals_enrol", str(olga), stdout=out)
    code = re.search(r": ([A-Z2-7-]+)$", out.getvalue(), re.MULTILINE)[1]
    assert EventRecord.objects.filter(message_type="approvals.enrolment_code_issued").exists()
    assert code not in str(list(EventRecord.objects.values()))

    wrong = posted(browser(olga), olga, first, code="AAAA-BBBB")
    assert "valid enrolment code" in wrong
    right = posted(browser(olga), olga, first, code=code.lower())

    assert "done" in right
    with pytest.raises(ShellError, match="before"):
        call_command("approvals_enrol", str(olga))


def test_a_code_is_for_owners_only(ann):
    with pytest.raises(ShellError, match="Only policy owners"):
        call_command("approvals_enrol", str(ann))


def test_the_page_asks_for_the_password(ann, browser):
    assert "password is not correct" in posted(browser(ann), ann, Authenticator(), password="x")
    assert not Passkey.objects.exists()

    assert "done" in posted(browser(ann), ann, Authenticator(), password=PASSWORD)
    passkey = Passkey.objects.get()
    url = f"{PAGE}{passkey.pk}/remove/"
    assert "Not removed" in browser(ann).post(url, {"remove-password": "x"}, follow=True).text
    assert listing.current(ann.pk)
    browser(ann).post(url, {"remove-password": PASSWORD})
    assert not listing.current(ann.pk)


def test_wrong_passwords_are_limited(ann, browser, configure):
    configure(RATE_LIMIT_SIGN_IN_PER_ACCOUNT=(1, 3600))
    client, form = browser(ann), {"passkey_name": "key", "password": "x"}

    answers = [client.post(PAGE, form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1]["Retry-After"]) > 0


def test_a_response_for_another_session_is_refused(ann, browser):
    answer = posted(browser(ann), ann, Authenticator(), nonce="00" * 16)

    assert "not valid" in answer
    assert not Passkey.objects.exists()


def test_a_form_without_a_response_says_why(ann, browser):
    form = {"passkey_name": "key", "password": PASSWORD}

    assert "needs a browser that supports passkeys" in browser(ann).post(PAGE, form).text


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "not set"),
        ("https://192.0.2.1", "IP address"),
        ("http://[::1]:8000", "IP address"),
        ("http://countersign.example", "https"),
    ],
)
def test_an_address_without_passkeys_is_explained(configure, ann, browser, address, problem):
    configure(BASE_URL=address)

    with pytest.raises(PasskeysUnavailable, match=problem):
        relying_party()
    assert problem in browser(ann).get(PAGE).text


@pytest.mark.parametrize(
    ("address", "party"),
    [
        ("https://a.example:443/x", ("a.example", "https://a.example")),
        ("https://a.example:8443", ("a.example", "https://a.example:8443")),
        ("http://localhost:8000", ("localhost", "http://localhost:8000")),
    ],
)
def test_the_relying_party_is_that_of_the_address(configure, address, party):
    configure(BASE_URL=address)

    assert relying_party() == party


def posted(client, person, authenticator, *, nonce=None, password=PASSWORD, **fields):
    """Send the form of the page with the response of an authenticator; return the page."""
    page = client.get(PAGE)
    nonce = nonce or page.context["signed_values"]["nonce"]
    command = registration(person, authenticator, nonce=nonce)
    form = {"passkey_name": "key", "password": password, **fields}
    response = {"attestation": command.attestation, "client_data": command.client_data}
    return client.post(PAGE, form | response, follow=True).content.decode()
