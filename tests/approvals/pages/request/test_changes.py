"""The card shows what a request would change, and what its execution has changed."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User

from apikeys.commands import CreateApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.people.commands import AddToGroup, RenameGroup
from approvals.policies.commands import CreatePolicy, EditPolicy
from audit.models.records import CommandRecord
from tests import mails
from tests.approvals.admin_pages import LIST, decide, let_in, listed, page, section, text
from tests.books import all_but_records
from tests.conftest import approved, completed, held, member, policy

HOUR = timedelta(hours=1)


def changed(client, request):
    """Return the changed values on the page of a request: name, old and new."""
    answer = client.get(f"{LIST}{request.pk}/change/")
    rows = answer.context["changed"].rows
    return [(row.name, row.before.short, row.after.short) for row in rows]


@pytest.fixture
def joining(security, policy_owners, manager, acme, context_of):
    """A request to add Erin to Security, which two policy owners decide on."""
    policy("apikeys.disable", group=security, quorum=1)
    erin = member("erin", acme)
    return held(AddToGroup(user_id=erin.pk, group_id=security.pk), context=context_of(manager))


@pytest.fixture
def edit(security, ann, bob, policy_owners, manager, context_of):
    """A function that requests an edit of a policy, and returns the request."""

    def send(**changes):
        made = policy("apikeys.disable", group=security, quorum=1)
        same = {"groups": (security.pk,), "quorums": (1,), "governs": made.governs}
        command = EditPolicy(policy_id=made.pk, **(same | changes))
        return held(command, context=context_of(manager))

    return send


def test_only_the_value_that_changes_is_shown_and_the_others_are_folded(waiting, ann, browser):
    client = browser(ann)

    assert changed(client, waiting) == [("is enabled", "yes", "no")]
    content = page(client, waiting)
    assert "Value Old New is enabled yes no" in section(content, "changes")
    assert "7 other values stay as they are" in section(content, "changes")
    assert content.index("is enabled") < content.index("<details")


def test_a_membership_shows_the_groups_of_the_person(joining, policy_owners, browser):
    assert changed(browser(policy_owners[0]), joining) == [("groups", "—", "Security")]


def test_an_executed_membership_shows_what_it_changed(joining, policy_owners, browser):
    olga, otto, _ = policy_owners

    approved(joining, olga, otto)

    assert changed(browser(olga), joining) == [("groups", "—", "Security")]


def test_a_renamed_group_shows_its_old_and_new_name(
    security, ann, policy_owners, manager, browser, context_of
):
    policy("apikeys.disable", group=security, quorum=1)
    command = RenameGroup(group_id=security.pk, group_name="Safety")
    request = held(command, context=context_of(manager))
    olga, otto, _ = policy_owners
    assert changed(browser(olga), request) == [("name", "Security", "Safety")]

    approved(request, olga, otto)

    assert changed(browser(olga), request) == [("name", "Security", "Safety")]


def test_the_title_of_an_edited_policy_states_the_change(edit, policy_owners, browser):
    olga, otto, _ = policy_owners
    request = edit(approver_reason_required=True)
    title = "Edit the policy on apikeys.disable: approver reason required: no → yes"

    assert f"<h1><bdi>{title}</bdi></h1>" in page(browser(olga), request)

    approved(request, olga, otto)
    assert f"<h1><bdi>{title}</bdi></h1>" in page(browser(olga), request)


def test_lists_and_mails_state_the_change_of_an_edited_policy(edit, policy_owners, browser):
    User.objects.filter(pk=policy_owners[0].pk).update(email="olga@example.com")
    edit(quorums=(2,), condition='actor.kind == "api_key"', minimum_membership=HOUR)
    title = (
        "Edit the policy on apikeys.disable: condition: none → “actor.kind == 'api_key'”, "
        "minimum membership: none → 1 h 0 min, approvals: 1 of “Security” → 2 of “Security”"
    )

    assert title in text(listed(browser(policy_owners[0])))
    (message,) = mails.sent()
    assert message.subject.startswith("[Countersign] Approval needed: Edit the policy on apikeys")
    assert message.body.startswith(f"{title}.")


def test_a_denied_policy_can_be_edited_as_a_draft(edit, manager, policy_owners, browser):
    olga = policy_owners[0]
    let_in(manager)
    may = Permission.objects.filter(codename__in=("view_policy", "manage_policy"))
    manager.user_permissions.add(*may)
    request = edit(quorums=(2,), minimum_membership=HOUR, requester_reason_required=True)
    decide(browser(olga), request, "request_changes", reason="One hour is too short")
    client = browser(manager)
    content = page(client, request)
    form = r'action="(/admin/approvals/policy/[^"]+/edit/)"(.*?)</form>'
    found = re.search(form, content, re.DOTALL)
    draft = dict(re.findall(r'name="(\w+)" value="([^"]*)"', found[2]))

    editor = client.post(found[1], draft | {"step": "edit"})

    form = editor.context["form"]
    assert form["quorum_0"].value() == "2"
    assert form["minimum_membership"].value() == ["1", "hours"]
    assert form["requester_reason_required"].value() is True
    assert form["approver_reason_required"].value() is False
    assert form.is_valid(), form.errors
    assert form.command() == request.command()


def test_an_edited_policy_shows_the_approvals_that_it_required(
    edit, security, policy_owners, browser
):
    olga, otto, _ = policy_owners
    request = edit(quorums=(2,))
    rules = ("approvals", "1 of “Security”", "2 of “Security”")

    assert changed(browser(olga), request) == [rules]

    approved(request, olga, otto)
    assert changed(browser(olga), request) == [rules]


def test_a_new_policy_shows_its_values(security, ann, policy_owners, manager, context_of, browser):
    olga, otto, _ = policy_owners
    command = CreatePolicy(governs="apikeys.rotate", groups=(security.pk,), quorums=(1,))
    request = held(command, context=context_of(manager))
    told = {("governs", "—", "apikeys.rotate"), ("approvals", "—", "1 of “Security”")}

    assert told <= set(changed(browser(olga), request))

    approved(request, olga, otto)
    assert told <= set(changed(browser(olga), request))


def test_an_executed_creation_shows_the_values_that_it_created(
    dana, acme, security, ann, context_of, browser
):
    policy("apikeys.create", group=security, quorum=1)
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
    request = approved(held(command, context=context_of(dana)), ann)

    rows = changed(browser(ann), request)

    assert {("name", "—", "ci"), ("owner", "—", "dana"), ("customer", "—", "Acme")} <= set(rows)


def test_an_executed_request_shows_its_own_effect_also_after_it_was_undone(
    waiting, first_key, ann, bob, browser
):
    approved(waiting, ann, bob)
    assert changed(browser(ann), waiting) == [("is enabled", "yes", "no")]

    completed(EnableApiKey(api_key_id=first_key.id))

    assert changed(browser(ann), waiting) == [("is enabled", "yes", "no")]
    said = section(page(browser(ann), waiting), "changes")
    assert said.startswith("What the execution changed Value Old New is enabled yes no")
    assert "changed since the request" not in said
    assert "Executed: API key disabled." in said


def test_a_reader_who_may_not_try_it_is_told_that_the_changes_are_unknown(waiting, iris, browser):
    said = section(page(browser(iris), waiting), "changes")

    assert said.startswith("Changes Unknown without a test run.")
    assert "other value" not in said


def test_a_denied_request_changed_nothing(waiting, ann, browser):
    client = browser(ann)
    decide(client, waiting, "deny", reason="Still in use")

    assert changed(client, waiting) == []
    assert "Not executed: nothing was changed." in section(page(client, waiting), "changes")


def test_a_page_that_cannot_compute_the_change_says_so_and_offers_the_button(
    waiting, ann, browser, owner
):
    client = browser(ann)
    before = all_but_records(), CommandRecord.objects.count()
    with owner.transaction():
        owner.execute("SELECT FROM apikeys_apikey FOR UPDATE")
        answer = client.get(f"{LIST}{waiting.pk}/change/")

    content = answer.content.decode()
    assert "The test run was given up" in section(content, "works")
    assert "So the changes are unknown." in section(content, "works")
    assert "Try it again" in content
    assert "stay as they are" not in content
    assert answer.context["tried"].is_unfinished
    assert (all_but_records(), CommandRecord.objects.count()) == before
    assert ApiKey.objects.get().is_enabled


def test_without_a_rehearsal_the_values_of_the_request_itself_are_shown(
    edit, browser, policy_owners
):
    request = edit(approver_reason_required=True)
    answer = browser(policy_owners[2]).get(
        f"{LIST}{request.pk}/change/", headers={"Sec-Purpose": "prefetch;prerender"}
    )

    assert answer.context["tried"] is None
    rows = answer.context["changed"].rows
    assert ("approver reason required", "no", "yes") in [
        (row.name, row.before.short, row.after.short) for row in rows
    ]
