"""Why a request needs approval: the policies as they were, what met them, and today."""

from django.contrib.auth.models import Permission

from approvals.models import Policy, Rule
from audit.outside import outside_command
from tests.approvals.admin_pages import (
    ask,
    page,
    section,
)
from tests.conftest import policy


def test_the_condition_that_matched_is_shown_with_the_values_that_met_it(
    first_key, dana, ann, bob, security, context_of, browser
):
    condition = 'context.channel == "v1" && subject.is_enabled && actor.kind == "user"'
    policy("apikeys.disable", group=security, quorum=1, condition=condition)
    request = ask(first_key, dana, context_of)

    said = section(page(browser(ann), request), "matching-policies")

    assert "Policy on apikeys.disable , version 1 · unchanged" in said.replace(", v", " , v")
    assert condition in said
    assert "context.channel v1 subject.is_enabled yes actor.kind user" in said
    assert "Today's policies require the same approvals." in said


def test_the_page_shows_that_a_looser_policy_changes_nothing(waiting, ann, security, browser):
    with outside_command("An edit of a policy for a test"):
        Rule.objects.update(quorum=1)
        Policy.objects.get().edit(condition='context.channel == "v1"')

    said = section(page(browser(ann), waiting), "matching-policies")

    assert "now version 2" in said
    assert "Applies to every such command" in said
    assert "Today's policies require the same approvals." in said


def test_the_page_shows_a_policy_that_is_disabled_or_forbids_today(waiting, ann, browser):
    with outside_command("An edit of a policy for a test"):
        Policy.objects.get().disable()
    said = section(page(browser(ann), waiting), "matching-policies")
    assert "now disabled" in said
    assert "Today's policies require the same approvals." in said

    with outside_command("Another policy for a test"):
        Policy.objects.create(governs="apikeys.*", effect="forbid", message="Nothing today.").seal()
    said = section(page(browser(ann), waiting), "matching-policies")
    assert "Today's policies do not let it be approved: Nothing today." in said


def test_policies_are_linked_for_those_who_may_see_them(waiting, ann, browser):
    address = f"/admin/approvals/policy/{Policy.objects.get().pk}/change/"
    assert address not in page(browser(ann), waiting)

    ann.user_permissions.add(Permission.objects.get(codename="view_policy"))

    assert address in page(browser(ann), waiting)
