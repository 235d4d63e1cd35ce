"""Passkeys as the second factor: at sign-in, and to confirm an older sign-in before a vote."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from webauthn.helpers import base64url_to_bytes

from approvals.decisions.commands import Approve
from approvals.models import Vote
from approvals.passkeys.ceremonies import SignatureInvalid
from approvals.passkeys.commands import RemovePasskey, ResetPasskeys
from audit.bus.context import Context
from audit.factors import models
from audit.factors.commands import SetUpSecondFactor
from audit.factors.handlers import AlreadySetUp
from audit.factors.models import Authenticator as App
from audit.models.records import CommandRecord, EventRecord
from tests.approvals.admin_pages import ask, form, send
from tests.approvals.authenticators import (
    ORIGIN,
    PRESENT,
    Authenticator,
    registered,
    signature,
)
from tests.conftest import PASSWORD, actor, approved, completed, held, policy
from tests.factors import PAGE, SET_UP, SIGN_IN, STEP, Clock, new_app

CONFIRM = "/confirm-sign-in/"


@pytest.fixture(autouse=True)
def _on(configure):
    """Everyone signs in with a second factor."""
    configure(SECOND_FACTOR="everyone", BASE_URL=ORIGIN)


@pytest.fixture
def clock(monkeypatch):
    """The time for codes of authenticator apps."""
    clock = Clock()
    monkeypatch.setattr(models, "time", lambda: clock.now)
    return clock


@pytest.fixture
def key(ann):
    """The authenticator with Ann's passkey. She has no app."""
    authenticator = Authenticator()
    registered(ann, authenticator)
    return authenticator


def challenge_on(page):
    """Return the challenge on a page that takes a passkey."""
    return base64url_to_bytes(json.loads(page.context["offer"].options)["challenge"])


def begun(name="ann"):
    """Return a browser in which the password was right, and the challenge of the second step."""
    client = Client()
    client.post(SIGN_IN, {"username": name, "password": PASSWORD})
    return client, challenge_on(client.get(STEP))


def signed_in(key):
    client, challenge = begun()
    client.post(STEP, {"passkey": key.sign(challenge)})
    return client


def is_signed_in(client):
    return client.get("/requests/").status_code == 200


def events():
    found = EventRecord.objects.filter(message_type__startswith="people.").order_by("position")
    return [each.message_type.removeprefix("people.") for each in found]


def remove(person):
    own = person.pk
    for each in EventRecord.objects.filter(message_type="approvals.passkey_registered"):
        if each.data["user_id"] == own:
            command = RemovePasskey(passkey_id=UUID(each.data["passkey_id"]))
            completed(command, context=Context(actor=actor(person)))


def age(client, *, minutes):
    session = client.session
    session["signed_in_at"] -= minutes * 60
    session.save()


def test_a_passkey_completes_the_sign_in_and_is_recorded(ann, key):
    client, challenge = begun()
    assert not is_signed_in(client)

    answer = client.post(STEP, {"passkey": key.sign(challenge)})

    assert answer.status_code == 302
    assert is_signed_in(client)
    assert events() == ["sign_in_begun", "passkey_used", "signed_in"]
    used = EventRecord.objects.get(message_type="people.passkey_used")
    registered_ = EventRecord.objects.get(message_type="approvals.passkey_registered")
    assert used.data["passkey_id"] == registered_.data["passkey_id"]


def test_who_has_only_a_passkey_is_asked_for_nothing_else(key):
    client, _ = begun()

    page = client.get(STEP)

    assert 'name="code"' not in page.text
    assert "ask the policy owners to reset your passkeys" in page.text
    assert "needs a browser that supports passkeys" in client.post(STEP, {"code": "1"}).text
    assert not is_signed_in(client)


def test_who_has_both_uses_either(ann, key, clock):
    app, _ = new_app(ann, clock, replaces=True)
    client, challenge = begun()
    page = client.get(STEP).text
    assert 'name="code"' in page
    assert "or enter a code" in page
    client.post(STEP, {"code": app.code()})
    assert is_signed_in(client)

    client, challenge = begun()
    client.post(STEP, {"passkey": key.sign(challenge), "code": "000000"})

    assert is_signed_in(client)
    assert events()[-2:] == ["passkey_used", "signed_in"]


def of_another_person(key, bob, challenge):
    other = Authenticator()
    registered(bob, other)
    return other.sign(challenge)


def of_another_key_under_the_same_id(key, bob, challenge):
    other = Authenticator()
    other.id, other.count = key.id, 5
    return other.sign(challenge)


def of_a_counter_that_goes_back(key, bob, challenge):
    signed_in(key)
    signed_in(key)
    key.count = 0
    return key.sign(challenge)


def without_user_verification(key, bob, challenge):
    key.flags = PRESENT
    return key.sign(challenge)


def at_another_origin(key, bob, challenge):
    key.origin = "https://elsewhere.example"
    return key.sign(challenge)


def of_another_session(key, bob, challenge):
    return key.sign(begun()[1])


def malformed(key, bob, challenge):
    return '{"credential_id": 1}'


@pytest.mark.parametrize(
    "response",
    [
        of_another_person,
        of_another_key_under_the_same_id,
        of_a_counter_that_goes_back,
        without_user_verification,
        at_another_origin,
        of_another_session,
        malformed,
    ],
)
def test_what_is_not_valid_signs_no_one_in_and_is_recorded(key, bob, response):
    client, challenge = begun()

    answer = client.post(STEP, {"passkey": response(key, bob, challenge)})

    assert answer.status_code == 200
    assert "not valid for this page" in answer.text
    assert not is_signed_in(client)
    assert events()[-1] == "second_factor_failed"


def test_a_response_is_valid_once(ann, bob, clock):
    key = Authenticator(counts=False)
    registered(ann, key)
    client, challenge = begun()
    sent = key.sign(challenge)
    failing, other = begun()
    failing.post(STEP, {"passkey": "{}"})

    client.post(STEP, {"passkey": sent})
    assert is_signed_in(client)
    again, _ = begun()
    again.post(STEP, {"passkey": sent})
    failing.post(STEP, {"passkey": key.sign(other)})

    assert not is_signed_in(again)
    assert not is_signed_in(failing)


def test_a_challenge_ends_after_ten_minutes(key):
    client, challenge = begun()
    session = client.session
    session["passkey_challenge"] = session["passkey_challenge"] | {"at": 0}
    session.save()

    client.post(STEP, {"passkey": key.sign(challenge)})

    assert not is_signed_in(client)


def test_a_removed_passkey_signs_no_one_in_and_its_sessions_end(ann, key):
    client = signed_in(key)
    waiting, challenge = begun()
    assert is_signed_in(client)

    remove(ann)

    waiting.post(STEP, {"passkey": key.sign(challenge)})
    assert not is_signed_in(client)
    assert not is_signed_in(waiting)


def test_a_reset_leads_to_a_new_factor(ann, key, manager, policy_owners):
    request = held(ResetPasskeys(user_id=ann.pk), context=Context(actor=actor(manager)))
    approved(request, *policy_owners[:2])
    client = Client()

    client.post(SIGN_IN, {"username": "ann", "password": PASSWORD})

    assert client.get(STEP)["Location"] == SET_UP


def test_a_signature_for_one_purpose_is_valid_for_no_other(ann, key, first_key, dana, configure):
    configure(STEP_UP_AFTER=timedelta(minutes=5))
    client = signed_in(key)
    age(client, minutes=10)
    _, at_sign_in = begun()

    client.get(CONFIRM)
    client.post(CONFIRM, {"passkey": key.sign(at_sign_in)})
    assert "sign_in_confirmed" not in events()

    other, _ = begun()
    session = other.session
    session["passkey_challenge"] = session["passkey_challenge"] | {"purpose": "confirmation"}
    session.save()
    other.post(STEP, {"passkey": key.sign(challenge_on(other.get(STEP)))})
    assert is_signed_in(other)
    confirmation = challenge_on(client.get(CONFIRM))
    third, _ = begun()
    third.post(STEP, {"passkey": key.sign(confirmation)})
    assert not is_signed_in(third)


@pytest.fixture
def asked(first_key, dana, ann, bob, security, context_of):
    """Dana's request, which needs signed votes."""
    policy("apikeys.disable", group=security, quorum=2, signed_votes=True)
    return ask(first_key, dana, context_of)


def test_a_vote_signs_no_one_in_and_a_sign_in_is_no_vote(ann, key, asked):
    client, challenge = begun()
    vote = json.loads(signature(asked, ann, key))
    nonce = vote.pop("nonce")

    client.post(STEP, {"passkey": json.dumps(vote)})
    assert not is_signed_in(client)

    challenge = challenge_on(client.get(STEP))
    as_vote = json.loads(key.sign(challenge)) | {"nonce": nonce}
    command = Approve(
        approval_request_id=asked.pk, digest=asked.digest, signature=json.dumps(as_vote)
    )
    with pytest.raises(SignatureInvalid):
        completed(command, context=Context(actor=actor(ann)))
    assert not Vote.objects.exists()


def test_attempts_are_limited_apart_from_those_at_codes(ann, key, clock, configure):
    configure(RATE_LIMIT_SIGN_IN_PER_ACCOUNT=(2, 3600))
    new_app(ann, clock, replaces=True)
    client, _ = begun()
    codes = [client.post(STEP, {"code": "000000"}).status_code for _ in range(3)]
    answers = [client.post(STEP, {"passkey": "{}"}) for _ in range(2)]
    challenge = challenge_on(answers[-1])

    refused = client.post(STEP, {"passkey": key.sign(challenge)})

    assert codes == [200, 200, 429]
    assert [each.status_code for each in (*answers, refused)] == [200, 200, 429]
    assert "Too many invalid passkeys. Try again in" in refused.text
    assert int(refused["Retry-After"]) > 0
    assert not is_signed_in(client)
    assert events().count("second_factor_throttled") == 2


def test_wrong_codes_do_not_keep_a_passkey_out(ann, key, clock, configure):
    configure(RATE_LIMIT_SIGN_IN_PER_ACCOUNT=(2, 3600))
    new_app(ann, clock, replaces=True)
    attacker, _ = begun()
    for _ in range(3):
        attacker.post(STEP, {"code": "000000"})

    assert is_signed_in(signed_in(key))


def test_the_password_is_not_enough_to_set_up_an_app_beside_a_passkey(ann, key):
    client, _ = begun()

    assert client.get(SET_UP)["Location"] == STEP
    command = SetUpSecondFactor(user_id=ann.pk, key="A" * 32, code="000000")
    with pytest.raises(AlreadySetUp):
        completed(command, context=Context(actor=actor(ann)))
    assert not App.objects.exists()


def test_the_page_of_the_second_factor_names_it(ann, key, clock):
    client = signed_in(key)
    assert "You sign in with a" in client.get(PAGE).text

    new_app(ann, clock, replaces=True)
    page = client.get(PAGE).text
    assert "After removing it you sign in with a passkey only." in page
    client.post(PAGE, {"password": PASSWORD})

    assert is_signed_in(client)


def test_the_response_is_in_no_record(key):
    client, challenge = begun()
    sent = key.sign(challenge)
    client.post(STEP, {"passkey": sent})

    record = CommandRecord.objects.get(message_type="people.verify_passkey")
    event = EventRecord.objects.get(message_type="people.passkey_used")
    assert json.loads(sent)["signature"] not in str(vars(record)) + str(vars(event))
    assert record.data["purpose"] == "sign-in"


@pytest.mark.parametrize("address", ["", "http://192.0.2.1"])
def test_an_address_without_passkeys_is_explained_and_lets_no_one_in(key, configure, address):
    configure(BASE_URL=address)
    client = Client()
    client.post(SIGN_IN, {"username": "ann", "password": PASSWORD})

    page = client.get(STEP)

    assert "Passkeys cannot be used at the address of this server" in page.text
    assert client.post(STEP, {"passkey": key.sign(b"x")}).status_code == 200
    assert not is_signed_in(client)


def test_a_vote_is_confirmed_with_it_and_keeps_what_was_typed(
    ann, key, first_key, dana, disabling_needs_two, context_of, configure
):
    configure(STEP_UP_AFTER=timedelta(minutes=5))
    request = ask(first_key, dana, context_of)
    client = signed_in(key)
    age(client, minutes=10)
    sent = form(client, request, "approve") | {"reason": "Seen"}

    page = send(client, request, sent)
    assert 'name="confirmation"' not in page.text
    send(client, request, sent | {"confirmation": PASSWORD})
    assert not Vote.objects.exists()
    response = key.sign(challenge_on(send(client, request, sent)))
    send(client, request, sent | {"passkey": response})

    assert Vote.objects.get().comment == "Seen"
    assert events()[-2:] == ["passkey_used", "sign_in_confirmed"]
    age(client, minutes=10)
    session = client.session
    session["confirmed_at"] -= 600
    session.save()
    client.post(CONFIRM, {"passkey": response})
    assert events().count("sign_in_confirmed") == 1


def test_where_no_second_factor_is_used_it_replaces_the_password(ann, key, browser, configure):
    configure(SECOND_FACTOR="off", STEP_UP_AFTER=timedelta(minutes=5))
    client = browser(ann)
    page = client.get(CONFIRM)
    assert "enter your password again, or use a passkey" in page.text

    client.post(CONFIRM, {"passkey": key.sign(challenge_on(page))})

    assert events() == ["passkey_used", "sign_in_confirmed"]
