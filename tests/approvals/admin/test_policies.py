"""The editor of policies: a draft, what it would change and would have done, and its proposal."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import DisableApiKey, EnableApiKey
from approvals.models import ApprovalRequest, Policy
from approvals.pages.policy import preview as policy_preview
from approvals.pages.policy.drafts import initial_of
from approvals.pages.tenants import tenant_choices
from audit.bus.dispatch import dispatch
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.audit.reading import queries
from tests.conftest import actor, approved, create_key, policy

POLICIES = "/admin/approvals/policy/"
NEW = f"{POLICIES}new/"


@pytest.fixture
def olga(policy_owners):
    """Owns policies with Otto and Petra, so may propose and read them."""
    return policy_owners[0]


@pytest.fixture
def present(security, ann, bob):
    """The policy of the story, as it is before anybody edits it."""
    return policy("apikeys.disable", group=security, quorum=2)


@pytest.fixture
def draft(security):
    """What the form of a policy that asks one of Security sends."""
    return {
        "governs": "apikeys.disable",
        "effect": "require_approval",
        "group_0": security.pk,
        "quorum_0": 1,
        "one_open_request": "on",
        "approve_within_0": 2,
        "approve_within_1": "days",
    }


@pytest.fixture
def activity(acme, dana, context_of):
    """Dana disables one key of hers and enables it again; of another one she only disables."""
    first, second = (create_key(dana, acme, name=name) for name in ("first", "second"))
    context = context_of(dana, channel="v1", reason="Leaked")
    for command in (
        DisableApiKey(api_key_id=first.id),
        EnableApiKey(api_key_id=first.id),
        DisableApiKey(api_key_id=second.id),
    ):
        dispatch(command, context=context)


def edit(row):
    return f"{POLICIES}{row.pk}/edit/"


def text(answer):
    assert answer.status_code == 200, answer.content
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def propose(client, path, draft, **given):
    return client.post(path, draft | {"step": "propose"} | given, follow=True)


def test_a_draft_is_compared_with_the_present_version_field_by_field(olga, present, draft, browser):
    told = text(browser(olga).post(edit(present), draft))

    assert "Required approvals 2 of “Security” 1 of “Security”" in told
    assert "Approve within the default, 7 days 2 days" in told
    changed = told.partition("Unchanged")[0]
    assert "Condition" not in changed
    assert Policy.objects.get().version == 1


def test_a_draft_shows_what_it_would_have_done_and_to_whom(activity, olga, draft, ann, browser):
    told = text(browser(olga).post(NEW, draft))

    assert "2 of the last 2 would have waited for approval" in told
    assert "dana 2" in told
    assert not Policy.objects.exists()


def test_an_edit_is_tried_beside_what_the_policy_says_now(activity, olga, present, draft, browser):
    draft["condition"] = 'context.channel == "v2"'

    told = text(browser(olga).post(edit(present), draft))

    assert "0 of the last 2 would have waited for approval ; under the current version, 2" in told


def test_commands_that_todays_people_could_not_approve_are_shown(
    activity, olga, draft, ann, bob, security, dana, browser
):
    dana.groups.add(security)
    dana.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    User.objects.filter(pk=dana.pk).update(is_staff=True)
    # Were she still allowed to ask, the draft itself would be refused.
    dana.user_permissions.remove(Permission.objects.get(codename="disable_apikey"))

    told = text(browser(olga).post(NEW, draft | {"quorum_0": 3}))

    assert (
        "2 of them would have been refused: today there are too few people to approve them" in told
    )


def test_conditions_are_tried_in_as_many_queries_for_many_commands(
    activity, olga, draft, ann, dana, acme, context_of, browser
):
    draft["condition"] = "subject.is_enabled"
    client = browser(olga)
    client.post(NEW, draft)
    with CaptureQueriesContext(connection) as few:
        client.post(NEW, draft)
    for number in range(5):
        key = create_key(dana, acme, name=f"more {number}")
        dispatch(DisableApiKey(api_key_id=key.id), context=context_of(dana))

    with CaptureQueriesContext(connection) as many:
        told = text(client.post(NEW, draft))

    assert "7 of the last 7" in told
    assert len(many) == len(few) <= 25


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("governs", "no.such", "Must be a command type or a prefix"),
        ("condition", "subject.typo", "at 1:8: “subject.typo” is unknown"),
        ("condition", "actor.kind", "returns a text, not true or false"),
        ("quorum_0", 9, "“Security” has only 1 person who can approve; 9 are needed"),
        ("group_0", "", "Must name a quorum for each group"),
        ("approve_within_0", -1, "greater than or equal to 0"),
        ("approve_within_0", 0, "Must be from one second to 99,999 days"),
        ("execute_within_0", 0, "Must be from one second to 99,999 days"),
    ],
)
def test_what_is_wrong_with_a_draft_stands_beside_its_field(
    field, value, words, olga, draft, ann, browser
):
    answer = browser(olga).post(NEW, draft | {field: value})

    assert words in text(answer)
    assert "Propose" not in text(answer)


def test_a_proposal_waits_for_two_other_owners_and_then_is_the_next_version(
    olga, policy_owners, present, draft, browser
):
    client = browser(olga)
    seen = re.search(
        r'name="seen" value="(\d+)"', client.post(edit(present), draft).content.decode()
    )

    answer = propose(client, edit(present), draft, reason="One is enough", seen=seen[1])

    assert "Waiting for approval by “Policy owners”" in text(answer)
    request = ApprovalRequest.objects.get()
    assert (request.reason, request.channel) == ("One is enough", "admin")
    approved(request, *policy_owners[1:])
    present.refresh_from_db()
    assert present.version == 2
    assert [str(rule) for rule in present.present_rules()] == ["1 of “Security”"]
    assert present.approve_within.days == 2
    shown = " ".join(text(client.get(f"{POLICIES}{present.pk}/change/")).split())
    assert "approvals 2 of “Security” → 1 of “Security”" in shown
    assert "version 1 → 2" not in shown


def test_a_new_policy_is_proposed_with_several_rules(
    olga, policy_owners, draft, ann, bob, browser, acme
):
    draft |= {"group_1": policy_owners[0].groups.get().pk, "quorum_1": 1, "for_tenant": acme.pk}

    propose(browser(olga), NEW, draft, reason="New")

    approved(ApprovalRequest.objects.get(), *policy_owners[1:])
    made = Policy.objects.get()
    assert sorted(map(str, made.present_rules())) == ["1 of “Policy owners”", "1 of “Security”"]
    assert made.tenant == str(acme.pk)


def test_a_policy_that_was_changed_meanwhile_is_not_overwritten(
    olga, policy_owners, present, draft, browser
):
    client = browser(olga)
    propose(client, edit(present), draft, reason="First", seen="1")
    approved(ApprovalRequest.objects.get(), *policy_owners[1:])

    answer = propose(client, edit(present), draft | {"quorum_0": 2}, reason="Late", seen="1")

    assert "has changed since you read it" in text(answer)
    assert ApprovalRequest.objects.count() == 1
    assert CommandRecord.objects.latest("position").error_code == "precondition_failed"


def test_disabling_is_proposed_after_a_look_at_what_it_decided(
    activity, olga, policy_owners, present, browser
):
    page = f"{POLICIES}{present.pk}/disable/"
    told = text(browser(olga).get(page))

    browser(olga).post(page, {"reason": "No longer needed", "seen": "1"})

    assert "2 of the last 2 would have waited" in told
    approved(ApprovalRequest.objects.get(), *policy_owners[1:])
    present.refresh_from_db()
    assert not present.is_enabled


def test_a_draft_that_says_the_same_cannot_be_proposed(olga, present, browser):
    fields = initial_of(present)
    said = {name: value for name, value in fields.items() if value and name != "approve_within"}
    said["one_open_request"] = "on"

    told = text(browser(olga).post(edit(present), said))

    assert "the draft equals the policy" in told
    assert "Reason" not in told


def test_who_may_only_view_policies_may_try_them_and_not_propose(present, draft, iris, browser):
    iris.user_permissions.add(Permission.objects.get(codename="view_policy"))
    client = browser(iris)

    told = text(client.post(edit(present), draft))
    answer = propose(client, edit(present), draft, reason="Please", seen="1")

    assert "You may try policies, but not propose them" in told
    assert "lacks the permission approvals.manage_policy" in text(answer)
    assert not ApprovalRequest.objects.exists()
    assert CommandRecord.objects.latest("position").status == "refused"


@pytest.mark.parametrize("page", ["", "new/", "explain/", "{}/change/", "{}/edit/", "{}/disable/"])
def test_policies_are_hidden_without_the_permission(page, present, ann, browser):
    answer = browser(ann).get(POLICIES + page.format(present.pk))

    assert answer.status_code == 403
    assert "Security" not in answer.content.decode()


@pytest.mark.parametrize("page", ["change/", "edit/", "disable/", "history/"])
def test_a_policy_for_another_customer_is_not_to_be_seen(
    page, security, ann, globex, iris, browser
):
    iris.user_permissions.add(Permission.objects.get(codename="view_policy"))
    elsewhere = policy("apikeys.enable", group=security, quorum=1, tenant=str(globex.pk))

    answer = browser(iris).get(f"{POLICIES}{elsewhere.pk}/{page}", follow=True)
    listed = browser(iris).get(POLICIES)

    assert "apikeys.enable" not in answer.content.decode()
    assert "apikeys.enable" not in listed.content.decode()
    assert "Globex" not in browser(iris).get(NEW).content.decode()


def test_the_page_of_a_policy_shows_waiting_requests_and_proposals(
    olga, policy_owners, present, draft, first_key, dana, context_of, browser
):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    propose(browser(olga), edit(present), draft, reason="One is enough")
    approved(ApprovalRequest.objects.get(message_type="approvals.edit_policy"), *policy_owners[1:])
    propose(browser(olga), edit(present), draft | {"quorum_0": 2}, reason="Two again")

    told = text(browser(olga).get(f"{POLICIES}{present.pk}/change/"))

    assert "version 2" in told
    change = "approvals: 1 of “Security” → 2 of “Security”"
    assert f"Edit the policy on apikeys.disable: {change}" in told
    assert "Disable API key “first”" in told.partition("Waiting requests")[2]
    assert "One is enough" in told.partition("Versions")[2]


def test_the_page_of_a_policy_asks_as_much_for_more_of_what_waits(
    olga, present, acme, dana, context_of, browser
):
    client, page = browser(olga), f"{POLICIES}{present.pk}/change/"

    def ask(name):
        key = create_key(dana, acme, name=name)
        dispatch(DisableApiKey(api_key_id=key.id), context=context_of(dana))

    ask("one")
    client.get(page)
    with CaptureQueriesContext(connection) as few:
        client.get(page)
    for name in ("two", "three"):
        ask(name)

    with CaptureQueriesContext(connection) as many:
        client.get(page)

    assert len(many) == len(few) <= 30


def test_the_form_is_filled_with_what_the_policy_says(olga, present, browser):
    page = browser(olga).get(edit(present)).content.decode()

    assert 'value="apikeys.disable"' in page
    assert re.search(r'name="quorum_0" value="2"', page)
    assert "subject.is_enabled" in page


def test_the_actor_of_a_draft_is_offered_only_customers_of_theirs(dana, acme, globex):
    assert [label for _, label in tenant_choices(actor(dana))] == ["everyone", "Acme"]


@pytest.mark.parametrize("page", ["edit", "disable", "history"])
def test_a_page_of_a_policy_costs_the_same_however_often_it_was_changed(
    page, olga, present, browser
):
    client, url = browser(olga), f"{POLICIES}{present.pk}/{page}/"
    few = queries(client, url)
    for number in range(3):
        with outside_command("One more version for a test"):
            present.message = f"Try {number}"
            present.save()

    assert queries(client, url) == few <= 18


@pytest.mark.parametrize("page", ["new", "edit"])
def test_a_condition_in_the_url_is_never_evaluated(page, activity, olga, present, draft, browser):
    draft["condition"] = "1 / 0 == 1 && subject.typo"
    path = NEW if page == "new" else edit(present)

    told = text(browser(olga).get(path, draft))

    assert "Before anything is proposed" in told
    assert "subject.typo" not in told
    assert "would have been" not in told


def test_a_draft_needs_the_token_of_its_form(olga, draft, browser):
    client = browser(olga)
    client.handler.enforce_csrf_checks = True

    assert client.post(NEW, draft | {"condition": "true"}).status_code == 403
    page = client.get(NEW).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    assert client.post(NEW, draft | {"csrfmiddlewaretoken": token}).status_code == 200


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_a_draft_is_read_or_sent(method, olga, browser):
    assert getattr(browser(olga), method)(NEW).status_code == 405


def test_a_draft_is_changed_after_its_preview(olga, draft, ann, browser):
    previewed = browser(olga).post(NEW, draft).content.decode()
    sent = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', previewed))

    page = browser(olga).post(NEW, sent | {"step": "edit"}).content.decode()

    assert 'value="apikeys.disable"' in page
    assert re.search(r'name="quorum_0" value="1"', page)
    assert "Propose" not in page


def test_the_editor_lists_the_names_of_every_type_before_the_first_error(olga, present, browser):
    new, editor = (text(browser(olga).get(page)) for page in (NEW, edit(present)))

    assert "every command: actor.id" in new
    assert "apikeys.disable: command.api_key_id subject.allowed_networks" in new
    assert "apikeys.disable: actor.id" in editor
    assert "apikeys.create:" not in editor


def test_a_preview_says_how_much_it_evaluated_in_its_time(
    activity, olga, present, draft, browser, monkeypatch
):
    monkeypatch.setattr(policy_preview, "SECONDS", 0)

    told = text(browser(olga).post(edit(present), draft))

    assert "Only the newest 1 of 2 commands were evaluated: the time for a preview" in told
    assert "For the current version, only the newest 1 were evaluated." in told


@pytest.mark.parametrize(
    "condition",
    ['["x"]' + ".map(v, v + v)" * 22 + ' == ["x"]', "subject.scopes.exists(v, 1/0 > v)"],
)
def test_no_condition_makes_the_preview_fail(condition, activity, olga, draft, ann, browser):
    answer = browser(olga).post(NEW, draft | {"condition": condition})

    assert answer.status_code == 200
    assert not re.search("INVALID_ARGUMENT|&lt;input&gt;|overload|undeclared", text(answer))


def test_filters_of_the_list_have_the_labels_of_the_columns(olga, present, browser):
    content = browser(olga).get(POLICIES).content.decode()

    assert "<summary>Effect</summary>" in content
    assert '?effect__exact=require_approval">hold for approval</a>' in content
