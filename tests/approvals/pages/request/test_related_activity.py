"""What surrounds a request: other requests and commands, its clocks, what has happened."""

import re
from datetime import timedelta

from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import CreateCustomer, RotateApiKey
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.approvals.admin_pages import (
    LIST,
    ask,
    decide,
    page,
    section,
)
from tests.approvals.asking import asks_for_many
from tests.conftest import held, member, new_approver, policy


def test_the_page_shows_related_activity(
    waiting, first_key, dana, acme, ann, security, context_of, browser
):
    policy("apikeys.rotate", group=security, quorum=1)
    other = held(RotateApiKey(api_key_id=first_key.id, overlap_seconds=0), context=context_of(dana))
    elsewhere = asks_for_many(dana, acme, context_of, count=6)
    decide(browser(ann), elsewhere[-1], "deny", reason="No")

    content = page(browser(ann), waiting)

    assert f'<a href="{LIST}{other.pk}/change/"><bdi>Rotate API key' in content
    assert "Rotate API key “first”" in section(content, "open-ones")
    earlier = section(content, "earlier")
    assert earlier.count("API key") == 5
    assert "denied" in earlier
    assert "Rotate API key waiting for approval dana" in section(content, "commands")
    assert "Create API key succeeded dana" in section(content, "commands")


def test_commands_on_the_subject_are_for_those_who_may_see_it(waiting, acme, browser):
    viewer = member("vera", acme, permissions=("view_approvalrequest",), is_staff=True)

    content = page(browser(viewer), waiting)

    assert '<h2 id="commands">' not in content
    assert 'href="/admin/apikeys/' not in content
    assert 'href="/audit/' not in content


def test_requests_of_other_customers_stay_out_of_the_context(
    waiting, dana, globex, ann, security, context_of, browser
):
    for name in ("vera", "vince"):
        new_approver(name, globex, groups=[security])
    with outside_command("Dana acts for Globex as well"):
        globex.membership_set.create(user=dana)
    fresh = User.objects.get(pk=dana.pk)
    (theirs,) = asks_for_many(fresh, globex, context_of, count=1)

    assert str(theirs.pk) not in page(browser(ann), waiting)


def test_the_clocks_are_words_with_their_times(
    first_key, dana, ann, bob, security, context_of, browser
):
    within = {"approve_within": timedelta(hours=5), "execute_within": timedelta(days=3)}
    policy("apikeys.disable", group=security, quorum=2, **within)
    request = ask(first_key, dana, context_of)

    said = section(page(browser(ann), request), "decision")

    assert re.search(r"requested (just now|\d+.minutes? ago)", said)
    assert re.search(r"approve by 4.hours, \d+.minutes? left", said)
    assert re.search(r"execute by 2.days, 23.hours left", said)
    assert '<span class="urgent">4' in page(browser(ann), request)


def test_a_denied_request_says_nothing_about_its_execution(waiting, ann, browser):
    decide(browser(ann), waiting, "deny", reason="Not during the sale")

    said = section(page(browser(ann), waiting), "decision")

    assert re.search(r"decided (just now|\d+.minutes? ago)", said)
    assert "execute by" not in said


def test_the_timeline_shows_each_step_in_order(waiting, ann, bob, iris, browser):
    decide(browser(ann), waiting, "approve", reason="Confirmed")
    decide(browser(ann), waiting, "take_back")
    decide(browser(ann), waiting, "approve")
    decide(browser(bob), waiting, "approve", reason="Agreed")
    decide(browser(bob), waiting, "approve")

    answer = browser(iris).get(f"{LIST}{waiting.pk}/change/")

    steps = [(step.label, step.actor) for step in answer.context["timeline"]]
    assert steps == [
        ("Requested", "dana"),
        ("Approved", "ann"),
        ("Took back the vote", "ann"),
        ("Approved", "ann"),
        ("Approved", "bob"),
        ("Executed", "dana"),
        ("Approve: not counted", "bob"),
    ]
    for command_id in CommandRecord.objects.filter(
        message_type__in=("approvals.approve", "approvals.take_back", "apikeys.disable")
    ).values_list("command_id", flat=True):
        assert f"/audit/commands/{command_id}" in answer.content.decode()
    assert "/audit/commands/" not in page(browser(ann), waiting)


def test_what_has_no_customer_yet_shows_what_it_makes(
    dana, security, ann, bob, context_of, browser
):
    policy("apikeys.create_customer", group=security, quorum=1)
    dana.user_permissions.add(Permission.objects.get(codename="create_customer"))
    maker = User.objects.get(pk=dana.pk)
    request = held(CreateCustomer(name="Initech"), context=context_of(maker))

    content = page(browser(User.objects.create_superuser("root")), request)

    assert "name — Initech" in section(content, "changes")


def test_the_page_cannot_be_framed(waiting, ann, browser):
    answer = browser(ann).get(f"{LIST}{waiting.pk}/change/")

    assert answer["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
    assert not re.search(
        r"<style|\sstyle=|<script(?![^>]* src=)|\son[a-z]+=", answer.content.decode()
    )


def test_the_page_costs_as_much_with_much_around_it(
    waiting, dana, acme, ann, bob, security, context_of, browser, iris
):
    client = browser(ann)
    asks_for_many(dana, acme, context_of, count=1)
    for verb in ("approve", "take_back"):
        decide(browser(bob), waiting, verb)
    client.get(LIST)
    url, cost = f"{LIST}{waiting.pk}/change/", []

    for _ in range(2):
        with CaptureQueriesContext(connection) as captured:
            client.get(url, headers={"Sec-Purpose": "prefetch"})
        with CaptureQueriesContext(connection) as rehearsed:
            client.get(url)
        cost.append((len(captured), len(rehearsed) - len(captured)))
        asks_for_many(dana, acme, context_of, count=4)
        for name in ("kim", "lea", "max"):
            new_approver(f"{name}{len(cost)}", acme, groups=[security])
        for verb in ("approve", "take_back", "approve"):
            decide(browser(bob), waiting, verb)

    # The page itself, with one query for the risk signals; and the rehearsal, whose statements are
    # those of an execution.
    assert cost == [(37, 11), (37, 11)]
