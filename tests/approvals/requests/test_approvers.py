"""Who votes on a request: whose votes count, whose stopped counting, who still can."""

import re

from django.contrib.auth.models import User

from tests.approvals.admin_pages import (
    LIST,
    decide,
    page,
    section,
)
from tests.conftest import new_approver


def test_who_voted_and_who_still_can_is_named(waiting, ann, bob, acme, security, dana, browser):
    carol = new_approver("carol", acme, groups=[security])
    new_approver("idle", acme, groups=[security])
    User.objects.filter(username="idle").update(is_active=False)
    dana.groups.add(security)
    decide(browser(bob), waiting, "approve", reason="Confirmed")

    answer = browser(ann).get(f"{LIST}{waiting.pk}/change/")

    (need,) = answer.context["needs"]
    assert (need.counting, need.open_to, need.missing) == (["bob"], ["ann", carol.username], 1)
    said = section(answer.content.decode(), "needed")
    assert "Security 1 of 2 bob ann , carol" in said
    assert "bob approved counts for “Security” Confirmed" in said


def test_who_may_not_see_the_customer_is_not_among_those_who_can(
    waiting, ann, bob, globex, security, browser
):
    new_approver("outsider", globex, groups=[security])

    (need,) = browser(ann).get(f"{LIST}{waiting.pk}/change/").context["needs"]

    assert need.open_to == ["ann", "bob"]


def test_a_vote_that_stopped_counting_says_why(waiting, ann, bob, acme, security, browser):
    new_approver("carol", acme, groups=[security])
    decide(browser(bob), waiting, "approve")
    bob.groups.remove(security)
    said = section(page(browser(ann), waiting), "needed")
    assert "no longer counts: bob is no longer in “Security”" in said

    User.objects.filter(pk=bob.pk).update(is_active=False)
    said = section(page(browser(ann), waiting), "needed")
    assert "no longer counts: bob is no longer active" in said
    assert "Security 0 of 2 no one yet" in said


def test_a_vote_taken_back_is_shown_and_does_not_count(waiting, ann, bob, browser):
    for verb in ("approve", "take_back"):
        decide(browser(bob), waiting, verb)

    said = section(page(browser(ann), waiting), "needed")

    assert "approved taken back: does not count" in said
    assert "took back the previous vote" in said


def test_what_too_few_can_approve_is_red_and_says_whom_to_ask(
    waiting, ann, bob, security, manager, browser
):
    bob.groups.remove(security)

    content = page(browser(ann), waiting)

    said = section(content, "needed")
    assert "Too few people can approve this: 2 more needed, and only ann could." in said
    assert "Ask mia to add people to “Security”." in said
    assert re.search(r'<span class="broken">Too few', content)
