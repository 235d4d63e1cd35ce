"""Signing in with a second factor: who has to, what is recorded, and what does not go around it."""

import base64
import re
from urllib.parse import urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.auth.models import Permission, User
from django.http import HttpResponse
from django.test import Client, RequestFactory

from apikeys.commands import DisableApiKey
from approvals.people.accounts import password_link
from approvals.people.commands import DeleteUser, ResetSecondFactor
from audit.factors import sealing
from audit.factors.commands import SetUpSecondFactor
from audit.factors.handlers import AlreadySetUp
from audit.factors.middleware import SecondFactorMiddleware
from audit.factors.models import Authenticator, RecoveryCode
from audit.installation.encryption import Undecryptable
from audit.installation.settings import countersign
from audit.models.records import CommandRecord, EventRecord
from tests.conftest import PASSWORD, approved, completed, held
from tests.factors import PAGE, SET_UP, SIGN_IN, STEP, App, new_app
from tests.http import call
from tests.threads import Crowd

INBOX = "/admin/approvals/approvalrequest/"


@pytest.fixture(autouse=True)
def on(configure):
    """Those who decide on approvals sign in with a second factor."""
    configure(SECOND_FACTOR="approvers")


@pytest.fixture
def app(ann, disabling_needs_two, clock):
    """Ann's authenticator app. She is an approver."""
    return new_app(ann, clock)[0]


def give_password(client, name="ann", page=SIGN_IN, **extra):
    return client.post(page, {"username": name, "password": PASSWORD}, **extra)


def give_code(client, code):
    return client.post(STEP, {"code": code})


def sign_in(client, app, name="ann"):
    give_password(client, name)
    return give_code(client, app.code())


def is_signed_in(client):
    return client.get("/requests/").status_code == 200


def events():
    found = EventRecord.objects.filter(message_type__startswith="people.").order_by("position")
    return [each.message_type.removeprefix("people.") for each in found]


def test_the_password_alone_signs_no_one_in(client, app):
    answer = give_password(client)

    assert (answer.status_code, answer["Location"]) == (302, STEP)
    assert not is_signed_in(client)
    assert events() == ["second_factor_set_up", "sign_in_begun"]


def test_the_code_signs_in_and_leads_to_the_page_that_was_requested(client, app):
    give_password(client, page=f"{SIGN_IN}?next={INBOX}")

    answer = give_code(client, app.code())

    assert (answer.status_code, answer["Location"]) == (302, INBOX)
    assert client.get(INBOX).status_code == 200
    begun = ["second_factor_set_up", "sign_in_begun"]
    assert events() == [*begun, "second_factor_used", "signed_in"]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "٠١٢٣٤٥", "000000", "a" * 64, "x" * 900])
def test_another_code_signs_no_one_in(client, app, code):
    give_password(client)

    answer = give_code(client, code)

    assert answer.status_code == 200
    assert not is_signed_in(client)


def test_a_wrong_code_is_recorded_without_the_code(ann, client, app):
    wrong = f"{(int(app.code()) + 1) % 1_000_000:06d}"
    give_password(client)

    answer = give_code(client, wrong)

    assert "The code is not correct" in answer.content.decode()
    record = CommandRecord.objects.get(message_type="people.verify_second_factor")
    event = EventRecord.objects.get(message_type="people.second_factor_failed")
    assert event.data == {"user_id": ann.pk, "username": "ann"}
    assert wrong not in str(vars(record)) + str(vars(event))


def test_a_code_is_valid_once(client, app):
    sign_in(client, app)

    assert sign_in(Client(), app).status_code == 200
    app.clock.next()
    assert sign_in(Client(), app).status_code == 302


@pytest.mark.parametrize(("off", "status"), [(-2, 200), (-1, 302), (1, 302), (2, 200)])
def test_a_clock_may_be_off_by_one_step(client, app, off, status):
    app.clock.now += 300
    give_password(client)

    assert give_code(client, app.code(off=off)).status_code == status


def test_of_three_sign_ins_with_one_code_one_succeeds(app):
    clients = [Client() for _ in range(3)]
    for each in clients:
        give_password(each)
    code = app.code()

    with Crowd(3) as crowd:
        answers = crowd.at_once(*[lambda each=each: give_code(each, code) for each in clients])

    assert sorted(answer.status_code for answer in answers) == [200, 200, 302]


def test_a_recovery_code_is_valid_once_and_the_rest_are_counted(
    ann, client, disabling_needs_two, clock
):
    _, codes = new_app(ann, clock)
    give_password(client)
    typed = codes[3].upper().replace("-", " ")

    assert give_code(client, typed).status_code == 302
    again = Client()
    give_password(again)
    assert give_code(again, codes[3]).status_code == 200

    event = EventRecord.objects.get(message_type="people.recovery_code_used")
    assert event.data == {"user_id": ann.pk, "username": "ann", "left": 9}


def test_of_three_uses_of_one_recovery_code_one_succeeds(ann, disabling_needs_two, clock):
    _, codes = new_app(ann, clock)
    clients = [Client() for _ in range(3)]
    for each in clients:
        give_password(each)

    with Crowd(3) as crowd:
        answers = crowd.at_once(*[lambda each=each: give_code(each, codes[0]) for each in clients])

    assert sorted(answer.status_code for answer in answers) == [200, 200, 302]


def test_codes_are_limited_and_the_log_says_so_once(client, app, configure):
    configure(RATE_LIMIT_SIGN_IN_PER_ACCOUNT=(3, 3600))
    give_password(client)

    answers = [give_code(client, "000000") for _ in range(5)]
    right = give_code(client, app.code())

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert right.status_code == 429
    assert int(right["Retry-After"]) > 0
    assert events().count("second_factor_throttled") == 1
    assert events().count("second_factor_failed") == 3


def test_without_a_limit_per_account_there_is_one_per_day(client, app, configure):
    configure(RATE_LIMIT_SIGN_IN_PER_ACCOUNT=None)
    give_password(client)

    answers = [give_code(client, "000000") for _ in range(21)]

    assert [answer.status_code for answer in answers] == [200] * 20 + [429]


def test_who_has_no_second_factor_yet_sets_it_up_first(ann, client, disabling_needs_two, clock):
    give_password(client, page=f"{SIGN_IN}?next={INBOX}")
    page = client.get(STEP, follow=True)
    assert page.redirect_chain == [(SET_UP, 302)]
    app = App(key_on(page), clock=clock)

    wrong = client.post(SET_UP, {"code": "000000"})
    assert "not that of this key" in wrong.content.decode()
    assert not is_signed_in(client)
    answer = client.post(SET_UP, {"code": app.code()})

    assert len(re.findall(r"<code>[a-z0-9-]{23}</code>", answer.content.decode())) == 10
    assert f'href="{INBOX}"' in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert is_signed_in(client)
    steps = ["second_factor_failed", "second_factor_set_up", "signed_in"]
    assert events() == ["sign_in_begun", *steps]
    clock.next()
    assert sign_in(Client(), app).status_code == 302


def key_on(page):
    """Return the key on a page, which is also in its image."""
    text = page.content.decode()
    (key,) = re.findall(r'<code class="factor-key">([A-Z2-7 ]+)</code>', text)
    assert 'src="data:image/svg+xml' in text
    return base64.b32decode(key.replace(" ", ""))


def test_the_password_is_not_enough_to_replace_a_second_factor(client, app):
    give_password(client)

    for method in (client.get, client.post):
        assert method(SET_UP, {"code": app.code()})["Location"] == STEP
    assert client.get(PAGE)["Location"].startswith(SIGN_IN)


def test_a_first_set_up_never_replaces_another(ann, app, context_of):
    command = SetUpSecondFactor(user_id=ann.pk, key="A" * 32, code="000000")

    with pytest.raises(AlreadySetUp):
        completed(command, context=context_of(ann))


def test_a_changed_password_ends_the_second_step(ann, client, app):
    give_password(client)
    ann.set_password("another horse battery")
    User.objects.filter(pk=ann.pk).update(password=ann.password)

    assert give_code(client, app.code())["Location"].endswith("login/")
    assert not is_signed_in(client)


def test_a_deactivated_account_gets_no_further(ann, client, app):
    give_password(client)
    User.objects.filter(pk=ann.pk).update(is_active=False)

    give_code(client, app.code())

    assert not is_signed_in(client)


def test_the_second_step_ends_after_some_minutes(client, app):
    give_password(client)
    session = client.session
    session["second_step"] = session["second_step"] | {"at": session["second_step"]["at"] - 601}
    session.save()

    assert give_code(client, app.code())["Location"].endswith("login/")


def test_the_step_begins_a_session_with_another_key(client, app):
    client.get(SIGN_IN)
    before = client.session.session_key
    give_password(client)
    between = client.session.session_key
    give_code(client, app.code())

    assert len({before, between, client.session.session_key}) == 3
    assert "second_step" not in client.session


def test_a_session_from_before_the_setting_was_turned_on_signs_in_again(
    ann, browser, disabling_needs_two, configure
):
    configure(SECOND_FACTOR="off")
    client = browser(ann)
    assert is_signed_in(client)

    configure(SECOND_FACTOR="approvers")

    assert client.get("/requests/")["Location"].startswith(SIGN_IN)
    assert client.get("/admin/")["Location"].startswith(SIGN_IN)
    assert client.get("/api/v2/whoami").status_code == 401


def test_a_session_without_it_can_do_nothing(ann, browser, disabling_needs_two, first_key):
    request = held(DisableApiKey(api_key_id=first_key.id))
    client = browser(ann)

    page = f"{INBOX}{request.pk}"
    vote = {"decision": "approve", "digest": request.digest}
    assert client.post(f"{page}/decide/", vote)["Location"].startswith(SIGN_IN)
    path = f"/api/v2/approval-requests/{request.pk}/approve"
    assert call(client, "POST", path, {"digest": request.digest}).status_code == 401
    for path in ("/password/", PAGE, SET_UP, "/audit/", "/admin/password_change/"):
        assert client.get(path).status_code in {302, 403}, path
    assert not request.votes.exists()


def test_a_link_to_set_a_password_signs_no_one_in(ann, client, app):
    link = urlsplit(password_link(User.objects.get(pk=ann.pk))).path
    form = client.get(link, follow=True).redirect_chain[-1][0]
    new = "another horse battery"

    client.post(form, {"new_password1": new, "new_password2": new})

    assert User.objects.get(pk=ann.pk).check_password(new)
    assert not is_signed_in(client)


def test_asynchronous_views_have_the_same_user(ann, browser, disabling_needs_two, configure):
    request = RequestFactory().get("/")
    request.session = browser(ann).session
    middleware = AuthenticationMiddleware(SecondFactorMiddleware(lambda _: HttpResponse()))

    middleware(request)
    assert async_to_sync(request.auser)().is_anonymous
    configure(SECOND_FACTOR="off")
    middleware(request)
    assert async_to_sync(request.auser)() == ann


def test_a_person_who_becomes_an_approver_signs_in_again(
    dana, security, browser, disabling_needs_two
):
    client = browser(dana)
    assert is_signed_in(client)

    dana.groups.add(security)

    assert not is_signed_in(client)


def test_others_sign_in_with_their_password(dana, client, disabling_needs_two):
    assert give_password(client, "dana")["Location"] != STEP
    assert is_signed_in(client)


def test_others_may_set_one_up_and_are_asked_for_it_then(dana, client, disabling_needs_two, clock):
    give_password(client, "dana")
    app = App(key_on(client.get(SET_UP)), clock=clock)

    wrong = client.post(SET_UP, {"code": app.code(), "password": "wrong"})
    assert "The password is not correct" in wrong.content.decode()
    client.post(SET_UP, {"code": app.code(), "password": PASSWORD})

    assert is_signed_in(client)
    assert "confirmation_failed" in events()
    assert give_password(Client(), "dana")["Location"] == STEP


def test_everyone_can_be_required_to(dana, client, configure):
    configure(SECOND_FACTOR="everyone")

    assert give_password(client, "dana")["Location"] == STEP


@pytest.mark.parametrize("permission", ["manage_policy", "manage_people", "break_glass"])
def test_who_may_change_policies_or_people_is_required_to(dana, client, permission, configure):
    dana.user_permissions.add(Permission.objects.get(codename=permission))

    assert give_password(client, "dana")["Location"] == STEP


def test_while_it_is_off_nothing_asks_for_it(client, app, configure):
    configure(SECOND_FACTOR="off")

    assert give_password(client)["Location"] != STEP
    assert is_signed_in(client)
    assert client.get(PAGE).status_code == 404
    assert client.get(SET_UP).status_code == 404


def test_an_app_is_replaced_after_giving_the_password(ann, client, app):
    sign_in(client, app)
    app.clock.next()
    other = App(key_on(client.get(SET_UP)), clock=app.clock)

    client.post(SET_UP, {"code": other.code(), "password": PASSWORD})

    assert is_signed_in(client)
    app.clock.next()
    assert sign_in(Client(), app).status_code == 200
    assert sign_in(Client(), other).status_code == 302


def test_sessions_of_the_replaced_app_end(ann, client, app, clock):
    sign_in(client, app)

    new_app(ann, clock, replaces=True)

    assert not is_signed_in(client)


def test_a_removed_factor_is_recorded_and_has_to_be_set_up_again(client, app):
    sign_in(client, app)

    client.post(PAGE, {"password": "wrong"})
    assert Authenticator.objects.exists()
    client.post(PAGE, {"password": PASSWORD})

    assert events()[-2:] == ["confirmation_failed", "second_factor_removed"]
    assert not is_signed_in(client)
    give_password(client)
    assert client.get(STEP)["Location"] == SET_UP


def test_the_reset_of_an_approver_takes_two_owners(
    ann, client, app, manager, policy_owners, context_of
):
    sign_in(client, app)

    request = held(ResetSecondFactor(user_id=ann.pk), context=context_of(manager))
    assert is_signed_in(client)
    approved(request, *policy_owners[:2])

    assert not Authenticator.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert not is_signed_in(client)
    assert "second_factor_removed" in events()


def test_the_page_of_a_person_has_the_button(ann, app, manager, browser, configure, clock):
    client = Client()
    sign_in(client, new_app(manager, clock)[0], manager.username)
    page = f"/admin/auth/user/{ann.pk}/change/"

    assert "Reset the second factor" in client.get(page).content.decode()
    configure(SECOND_FACTOR="off")
    assert "Reset the second factor" not in client.get(page).content.decode()


def test_a_deleted_user_leaves_no_factor(clock):
    zoe = User.objects.create_user("zoe", password=PASSWORD)
    new_app(zoe, clock)

    completed(DeleteUser(user_id=zoe.pk))

    assert not Authenticator.objects.exists()
    assert not RecoveryCode.objects.exists()


def test_the_database_holds_neither_key_nor_code(ann, clock, owner):
    app, codes = new_app(ann, clock)

    tables = owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    for (table,) in tables:
        dump = owner.execute(f"SELECT coalesce(string_agg(t::text, ''), '') FROM {table} AS t")
        content = dump.fetchone()[0]
        for each in (app.key.hex(), base64.b32encode(app.key).decode(), *codes):
            assert each not in content, table
            assert each.replace("-", "") not in content, table


def test_a_factor_copied_into_another_row_is_invalid(ann, bob, client, disabling_needs_two, clock):
    app, _ = new_app(ann, clock)
    new_app(bob, clock)
    copied = Authenticator.objects.get(user=ann).key
    Authenticator.objects.filter(user=bob).update(key=copied)

    assert sign_in(client, app, "bob").status_code == 200
    with pytest.raises(Undecryptable):
        sealing.decrypt(bytes(copied), user_id=bob.pk)


def test_a_lost_key_of_the_server_refuses_codes(client, app, configure):
    configure(PAYLOAD_KEYS={"other": b"x" * 32})

    assert sign_in(client, app).status_code == 200


def test_an_older_key_of_the_server_is_enough(ann, client, disabling_needs_two, clock, configure):
    app, codes = new_app(ann, clock)
    configure(PAYLOAD_KEYS={"newer": b"x" * 32, **countersign().payload_keys})

    assert sign_in(client, app).status_code == 302
    other = Client()
    give_password(other)
    assert give_code(other, codes[0]).status_code == 302


def test_api_keys_are_unaffected(client, first_key, configure):
    configure(SECOND_FACTOR="everyone")

    assert call(client, "GET", "/api/v2/whoami", key=first_key).status_code == 200
