"""Trying what a request asks for: it tells what would come of it, and leaves no trace."""

from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.models import ApiKey, Membership
from approvals.people.commands import CreateUser
from audit.models.records import CommandRecord
from tests import mails
from tests.approvals.admin_pages import (
    LIST,
    attempt,
    decide,
    let_in,
    page,
    rows_of,
    section,
    sequences,
)
from tests.approvals.asking import switch_off
from tests.books import all_but_records
from tests.conftest import completed, held, policy
from tests.probes import Broken, deed, to


@deed
def break_down(command, context):
    ApiKey.objects.filter(pk=command.api_key_id).update(name="half done")
    raise Broken("with a secret: hunter2")


@deed
def take_long(command, context):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(10)")


_LIMITS = []


@deed
def note_limits(command, context):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
        )
        _LIMITS.append(cursor.fetchone())


def test_trying_says_what_would_come_of_it_and_shows_the_values(waiting, ann, browser):
    answer = attempt(browser(ann), waiting)

    said = section(answer.content.decode(), "works")
    assert "It would succeed now: API key disabled." in said
    assert "Run as dana" in said
    enabled = rows_of(answer.context)["is enabled"]
    assert (enabled.now.short, enabled.proposed.short, enabled.would_change) == ("yes", "no", True)
    assert not rows_of(answer.context)["name"].would_change


def test_trying_leaves_no_trace(waiting, ann, dana, browser, owner):
    User.objects.update(email="somebody@example.com")
    mails.forget()
    client = browser(ann)
    before = all_but_records(), CommandRecord.objects.count(), sequences(owner)

    attempt(client, waiting)

    assert (all_but_records(), CommandRecord.objects.count(), sequences(owner)) == before
    assert mails.sent() == []
    assert ApiKey.objects.get().is_enabled
    decide(client, waiting, "approve")
    assert waiting.votes.count() == 1


def test_trying_a_creation_shows_no_secret_and_makes_nothing(
    manager, security, ann, browser, context_of, acme
):
    policy("approvals.create_user", group=security, quorum=1)
    command = CreateUser(username="newcomer", email="new@example.com")
    request = held(command, context=context_of(manager))
    ann.user_permissions.add(Permission.objects.get(codename="view_user"))

    content = attempt(browser(ann), request).content.decode()

    assert "It would succeed now: User created." in content
    assert "/set-password/" not in content
    assert not User.objects.filter(username="newcomer").exists()
    assert mails.sent() == []


def test_trying_what_is_stale_says_that_it_would_be_refused(waiting, first_key, ann, browser):
    completed(to(switch_off, first_key.id))

    said = section(attempt(browser(ann), waiting).content.decode(), "works")

    assert "It would be refused now: The subject has changed since the request" in said


def test_trying_acts_as_the_requester_who_has_to_be_good(waiting, dana, ann, browser):
    dana.user_permissions.clear()
    client = browser(ann)
    assert (
        "dana lacks the permission apikeys.disable_apikey"
        in attempt(client, waiting).content.decode()
    )

    User.objects.filter(pk=dana.pk).update(is_active=False)
    assert (
        "It would be refused now: The account of the requester, dana, is deactivated."
        in attempt(client, waiting).content.decode()
    )


def test_a_crash_in_a_test_run_breaks_no_page_and_shows_no_details(
    first_key, security, dana, ann, bob, context_of, browser
):
    policy("tests.probe", group=security, quorum=2)
    request = held(to(break_down, first_key.id), context=context_of(dana))
    before = CommandRecord.objects.count()

    content = attempt(browser(ann), request).content.decode()

    assert "It would fail now:" in section(content, "works")
    assert "hunter2" not in content
    assert ApiKey.objects.get().name == "first"
    assert CommandRecord.objects.count() == before
    assert 'value="approve"' in content


def test_what_takes_long_is_given_up(first_key, security, dana, ann, bob, context_of, browser):
    policy("tests.probe", group=security, quorum=2)
    request = held(to(take_long, first_key.id), context=context_of(dana))

    answer = attempt(browser(ann), request)

    assert answer.context["tried"].is_unfinished
    assert "It would fail now:" in section(answer.content.decode(), "works")


def test_statements_and_locks_are_waited_for_longer_on_the_button_than_on_the_page(
    first_key, security, dana, ann, bob, context_of, browser
):
    policy("tests.probe", group=security, quorum=2)
    request = held(to(note_limits, first_key.id), context=context_of(dana))
    client = browser(ann)
    _LIMITS.clear()

    page(client, request)
    attempt(client, request)

    assert _LIMITS == [("400ms", "100ms"), ("2s", "500ms")]


def test_a_row_that_others_hold_is_not_waited_for_long(waiting, first_key, ann, browser, owner):
    with owner.transaction():
        owner.execute("SELECT FROM apikeys_apikey FOR UPDATE")
        answer = attempt(browser(ann), waiting)

    assert answer.context["tried"].is_unfinished
    assert "It would fail now:" in section(answer.content.decode(), "works")


def test_only_who_has_to_do_with_it_can_try_it(waiting, iris, dana, browser):
    content = page(browser(iris), waiting)
    assert "Try it now" not in content
    assert "Only its approvers can try it." in content

    assert "It would" not in attempt(browser(iris), waiting).content.decode()

    let_in(dana)
    assert "It would succeed now" in attempt(browser(dana), waiting).content.decode()


def test_a_page_that_is_loaded_in_advance_tries_nothing(waiting, ann, browser, owner):
    client = browser(ann)
    client.get(LIST)
    before = sequences(owner)

    with CaptureQueriesContext(connection) as captured:
        for purpose in ("prefetch", "prefetch;prerender"):
            client.get(f"{LIST}{waiting.pk}/change/", headers={"Sec-Purpose": purpose})
        client.head(f"{LIST}{waiting.pk}/change/")
        assert client.get(f"{LIST}{waiting.pk}/try/").status_code == 302

    assert not [each for each in captured if "FOR UPDATE" in each["sql"]]
    assert sequences(owner) == before


def test_what_is_decided_is_not_tried(waiting, ann, bob, browser):
    decide(browser(bob), waiting, "deny", reason="Still in use")

    content = attempt(browser(ann), waiting).content.decode()

    assert "Test run" not in content


def test_trying_checks_the_deferred_constraints(
    first_key, security, dana, ann, context_of, browser
):
    @deed
    def refer_to_nobody(command, context):
        Membership.objects.create(customer=first_key.row.customer, user_id=999_999)

    policy("tests.probe", group=security, quorum=1)
    request = held(to(refer_to_nobody, first_key.id), context=context_of(dana))

    content = attempt(browser(ann), request).content.decode()

    assert "It would fail now:" in section(content, "works")
