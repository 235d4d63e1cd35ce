"""Effective requirements: today's policies apply to waiting requests, never to loosen them."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from uuid_utils.compat import uuid7

from apikeys.commands import DisableApiKey, UpdateApiKey
from apikeys.models import ApiKey
from approvals.decisions.events import RequestSuperseded
from approvals.models import ApprovalRequest, Policy, Rule
from approvals.people.commands import RemoveFromGroup
from audit.messages.exceptions import TimedOut
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.approvals.admin_pages import LIST, page, select, text
from tests.approvals.asking import REQUESTS, address, asks_for_many, decide, queries
from tests.approvals.attacks import forge_record
from tests.books import assert_balanced, attempts
from tests.conftest import approved, completed, member, new_approver, policy
from tests.http import call
from tests.probes import deed, to
from tests.tampering import let_time_pass


@pytest.fixture
def carol(acme, security):
    """The third of Security."""
    return new_approver("carol", acme, groups=[security])


@pytest.fixture
def legal():
    """Another group of approvers."""
    return Group.objects.create(name="Legal")


@pytest.fixture
def lea(acme, legal):
    """The only member of Legal."""
    return new_approver("lea", acme, groups=[legal])


def edit(*, quorum=None, **columns):
    """Change the one policy, without the approvals that an edit needs."""
    with outside_command("An edit of a policy for a test"):
        if quorum is not None:
            Rule.objects.update(quorum=quorum)
        Policy.objects.get().edit(**columns)


def forbid(group, **fields):
    return policy("apikeys.*", group=group, quorum=1, effect="forbid", **fields)


def shown(browser, request):
    answer = browser.get(address(request))
    assert answer.status_code == 200
    return answer.json()


def needed(body):
    return [(each["group"], each["have"], each["needed"]) for each in body["requirements"]]


def voted(browser, request, person, **body):
    """Approve over HTTP, and return the response."""
    return decide(browser(person), request, "approve", **body)


def is_enabled():
    return ApiKey.objects.get(name="first").is_enabled


def test_a_higher_quorum_applies_to_a_waiting_request(waiting, ann, bob, carol, browser):
    voted(browser, waiting, ann)
    edit(quorum=3)

    second = voted(browser, waiting, bob)
    third = voted(browser, waiting, carol)

    assert (second.json()["state"], needed(second.json())) == ("pending", [("Security", 2, 3)])
    assert third.json()["state"] == "executed"
    assert needed(third.json()) == [("Security", 3, 3)]
    assert_balanced()


def test_a_lower_quorum_does_not(waiting, ann, bob, browser):
    edit(quorum=1, requester_may_vote=True)

    first = voted(browser, waiting, ann)

    assert (first.json()["state"], needed(first.json())) == ("pending", [("Security", 1, 2)])
    assert voted(browser, waiting, bob).json()["state"] == "executed"


def test_a_disabled_policy_still_applies(waiting, ann, browser):
    edit(is_enabled=False)

    assert voted(browser, waiting, ann).json()["state"] == "pending"
    assert is_enabled()


def test_another_group_is_required_in_addition(waiting, ann, bob, lea, legal, browser):
    voted(browser, waiting, ann)
    policy("apikeys.*", group=legal, quorum=1)

    second = voted(browser, waiting, bob)
    third = voted(browser, waiting, lea)

    assert second.json()["state"] == "pending"
    assert needed(second.json()) == [("Security", 2, 2), ("Legal", 0, 1)]
    assert third.json()["state"] == "executed"


def test_a_vote_for_an_added_rule_still_counts_after_another_edit(
    waiting, ann, bob, lea, legal, browser
):
    added = policy("apikeys.*", group=legal, quorum=1)
    voted(browser, waiting, lea)
    with outside_command("An edit with new rules"):
        added.rules.get().drop()
        Rule.objects.create(policy=added, group=legal, quorum=1)
        added.edit(message="Ask Legal")

    voted(browser, waiting, ann)

    assert voted(browser, waiting, bob).json()["state"] == "executed"


def test_one_policy_of_a_customer_does_not_apply_to_another(
    waiting, globex, ann, bob, lea, legal, browser
):
    policy("apikeys.*", group=legal, quorum=1, tenant=str(globex.pk))
    voted(browser, waiting, ann)

    assert voted(browser, waiting, bob).json()["state"] == "executed"


def test_approvers_have_to_give_a_reason_once_a_policy_requires_it(waiting, ann, browser):
    edit(approver_reason_required=True)

    refused = voted(browser, waiting, ann)

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")
    assert voted(browser, waiting, ann, comment="Leaked").status_code == 200


def test_a_minimum_membership_applies_to_a_waiting_request(waiting, ann, browser):
    edit(minimum_membership=timedelta(days=1))

    refused = voted(browser, waiting, ann)

    assert (refused.status_code, refused.json()["code"]) == (403, "too_new")


def test_a_requester_who_may_no_longer_vote_is_refused(
    hold, first_key, dana, security, ann, bob, context_of, browser
):
    dana.groups.add(security)
    policy("apikeys.disable", group=security, quorum=2, requester_may_vote=True)
    command = DisableApiKey(api_key_id=first_key.id)
    request = hold(command, context=context_of(dana))
    edit(requester_may_vote=False)

    refused = voted(browser, request, dana)

    assert (refused.status_code, refused.json()["code"]) == (403, "own_request")
    voted(browser, request, ann)
    assert voted(browser, request, bob).json()["state"] == "executed"


def test_the_time_for_execution_can_become_shorter(waiting, owner, ann, bob, browser):
    edit(execute_within=timedelta(seconds=1))
    let_time_pass(owner, waiting, column="requested_at")
    voted(browser, waiting, ann)

    late = voted(browser, waiting, bob).json()

    assert (late["state"], is_enabled()) == ("refused", True)
    assert late["outcome"].startswith("Approved, but too late.")
    assert attempts(waiting.command_id)[-1] == (2, "cancelled", "too_late")


def test_the_time_for_approval_can_become_shorter(waiting, owner, ann, browser):
    edit(approve_within=timedelta(seconds=1))
    let_time_pass(owner, waiting, column="requested_at")

    refused = voted(browser, waiting, ann)

    assert (refused.status_code, refused.json()["code"]) == (409, "too_late")
    assert shown(browser(ann), waiting)["warnings"] == [refused.json()["detail"]]
    assert decide(browser(ann), waiting, "deny", comment="Late").json()["state"] == "denied"


def test_a_request_without_a_reason_is_not_approved_once_a_policy_requires_one(
    hold, first_key, dana, disabling_needs_two, context_of, ann, browser
):
    request = hold(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    edit(requester_reason_required=True)

    refused = voted(browser, request, ann)

    assert (refused.status_code, refused.json()["code"]) == (409, "no_reason_given")


def test_a_policy_that_forbids_stops_a_waiting_request(waiting, ann, bob, security, browser):
    voted(browser, waiting, ann)
    prohibition = forbid(security, message="No changes in December")

    refused = voted(browser, waiting, bob)

    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden_by_policy")
    assert refused.json()["detail"] == "No changes in December"
    assert is_enabled()
    waiting.refresh_from_db()
    assert waiting.state == "pending"
    with outside_command("Lift it"):
        prohibition.disable()
    assert voted(browser, waiting, bob).json()["state"] == "executed"


def test_a_forbidden_request_says_so_wherever_it_is_shown(waiting, ann, security, browser):
    forbid(security, message="No changes in December")
    client = browser(ann)

    assert shown(client, waiting)["warnings"] == ["No changes in December"]
    (listed,) = client.get(REQUESTS).json()["results"]
    assert listed["warnings"] == ["No changes in December"]
    content = page(client, waiting)
    assert "No changes in December" in text(content)
    assert 'value="approve"' not in content
    assert 'value="deny"' in content
    assert "No changes in December" in client.get(LIST).content.decode()


def test_approving_several_refuses_the_forbidden_ones(waiting, ann, security, browser):
    forbid(security, message="No changes in December")

    answer = select(browser(ann), "approve", waiting)

    assert "No changes in December" in answer.content.decode()
    assert not waiting.votes.exists()


def test_a_forbidden_request_can_be_denied(waiting, ann, security, browser):
    forbid(security)

    assert decide(browser(ann), waiting, "deny", comment="No").json()["state"] == "denied"


def test_a_policy_that_cannot_be_evaluated_stops_a_waiting_request(waiting, ann, security, browser):
    policy("apikeys.*", group=security, quorum=1, condition='context.reason + "x" == "y"')

    refused = voted(browser, waiting, ann)

    assert (refused.status_code, refused.json()["code"]) == (403, "condition_failed")
    assert shown(browser(ann), waiting)["warnings"] == [refused.json()["detail"]]


def test_conditions_are_about_the_requester_and_the_command_as_it_was_sent(
    waiting, ann, bob, lea, legal, browser
):
    condition = 'actor.label == "mia" || context.channel == "admin" || context.reason == "Broken"'
    policy("apikeys.disable", group=legal, quorum=1, condition=condition)
    assert needed(shown(browser(ann), waiting)) == [("Security", 0, 2)]

    condition = 'actor.label == "dana" && context.channel == "v1" && context.reason == "Leaked"'
    policy("apikeys.disable", group=legal, quorum=1, condition=condition)
    assert needed(shown(browser(ann), waiting)) == [("Security", 0, 2), ("Legal", 0, 1)]


def test_conditions_see_the_subject_as_it_is_now(waiting, first_key, ann, legal, lea, browser):
    policy("apikeys.disable", group=legal, quorum=1, condition='subject.name == "renamed"')
    assert needed(shown(browser(ann), waiting)) == [("Security", 0, 2)]

    completed(UpdateApiKey(api_key_id=first_key.id, name="renamed"))

    assert needed(shown(browser(ann), waiting)) == [("Security", 0, 2), ("Legal", 0, 1)]


def test_what_was_required_at_execution_and_who_met_it_is_in_its_record(
    waiting, ann, bob, lea, legal
):
    policy("apikeys.*", group=legal, quorum=1)

    approved(waiting, ann, bob, lea)

    record = CommandRecord.objects.get(command_id=waiting.command_id, attempt=2)
    rules = record.decision["requirements"]["rules"]
    assert [(each["group"], each["quorum"]) for each in rules] == [("Security", 2), ("Legal", 1)]
    assert sorted(record.decision["approvers"].values()) == [[ann.pk, bob.pk], [lea.pk]]


def test_a_decided_request_shows_what_was_required_when_it_was_decided(
    waiting, ann, bob, lea, legal, browser
):
    policy("apikeys.*", group=legal, quorum=1)
    approved(waiting, ann, bob, lea)

    edit_all(quorum=3)

    assert needed(shown(browser(ann), waiting)) == [("Security", 2, 2), ("Legal", 1, 1)]


def edit_all(*, quorum):
    with outside_command("An edit of all policies"):
        Rule.objects.update(quorum=quorum)
        for each in Policy.objects.all():
            each.edit()


def test_the_page_says_what_todays_policies_add(waiting, carol, ann, lea, legal, browser):
    edit(quorum=3)
    policy("apikeys.*", group=legal, quorum=1)

    content = text(page(browser(ann), waiting))

    assert "“Security”: 2 approvals when it was requested, 3 now." in content
    assert "“Legal”: 0 approvals when it was requested, 1 now." in content
    assert "0 of 3" in content


def test_the_status_of_the_command_counts_with_todays_policies(waiting, first_key, carol, client):
    edit(quorum=3)

    body = call(client, "GET", f"/api/v2/commands/{waiting.command_id}", key=first_key).json()

    assert (body["approval"]["have"], body["approval"]["needed"]) == (0, 3)


def test_a_list_takes_as_many_queries_for_many_requests_with_conditions(
    waiting, dana, acme, ann, legal, lea, context_of, browser
):
    condition = 'subject.name != "x" && context.reason != "y"'
    policy("apikeys.disable", group=legal, quorum=1, condition=condition)
    client = browser(ann)
    client.get(REQUESTS)
    few = queries(client, REQUESTS)
    asks_for_many(dana, acme, context_of, count=4)

    assert queries(client, REQUESTS) == few


def test_break_glass_does_not_override_a_policy_that_forbids(
    waiting, acme, security, policy_owners, browser
):
    fay = member("fay", acme, permissions=("break_glass", "view_approvalrequest"), is_staff=True)
    forbid(security, message="No changes in December")

    answer = browser(fay).post(
        f"{LIST}{waiting.pk}/decide/",
        {"decision": "break_glass", "reason": "Leak", "ticket": "INC-17"},
        follow=True,
    )

    assert "No changes in December" in answer.content.decode()
    assert is_enabled()
    waiting.refresh_from_db()
    assert waiting.state == "pending"


def test_break_glass_does_not_apply_once_a_request_comes_under_the_built_in_policy(
    hold, acme, security, ann, manager, policy_owners, context_of, browser
):
    may = ("break_glass", "view_approvalrequest")
    fay = member("fay", acme, groups=[security], permissions=may, is_staff=True)
    chess = Group.objects.create(name="Chess")
    player = member("max", acme, groups=[chess])
    policy("approvals.remove_from_group", group=security, quorum=1)
    request = hold(
        RemoveFromGroup(user_id=player.pk, group_id=chess.pk), context=context_of(manager)
    )
    policy("apikeys.disable", group=chess, quorum=1)

    answer = browser(fay).post(
        f"{LIST}{request.pk}/decide/",
        {"decision": "break_glass", "reason": "Leak", "ticket": "INC-17"},
        follow=True,
    )

    assert "break-glass does not apply" in answer.content.decode()
    assert chess.user_set.contains(player)


def test_a_forbidden_command_is_not_retried(
    hold, first_key, security, ann, dana, context_of, browser
):
    policy("tests.probe", group=security, quorum=1)
    request = hold(to(time_out, first_key.id), context=context_of(dana))
    assert approved(request, ann).is_retriable
    policy("tests.probe", group=security, quorum=1, effect="forbid", message="Not in December")

    refused = decide(browser(dana), request, "retry")

    assert (refused.status_code, refused.json()["detail"]) == (403, "Not in December")


@deed
def time_out(command, context):
    raise TimedOut


@deed
def tighten_as_before(command, context):
    """Replace the one request by a stricter one, as *Tighten* of earlier versions."""
    request = ApprovalRequest.objects.get()
    held_command = request.command()
    own = ("id", "payload", "seal", "digest", "row_seal")
    fields = [each.attname for each in request._meta.fields if each.name not in own]
    successor = ApprovalRequest(**{name: getattr(request, name) for name in fields})
    request.settle("superseded", outcome=f"Replaced by a stricter request: {successor}.")
    successor.add_sealed(held_command)
    context.emit(RequestSuperseded(approval_request_id=request.pk, successor_id=successor.pk))


def test_a_request_that_an_earlier_version_replaced_stays_readable(
    waiting, first_key, ann, iris, browser
):
    completed(to(tighten_as_before, first_key.id))
    forge_record(waiting, command_id=uuid7(), attempt=1, status="succeeded",
                 message_type="approvals.tighten", schema_version=1,
                 subject_type="approval-request", subject_id=str(waiting.pk))  # fmt: skip
    successor = ApprovalRequest.objects.get(state="pending")

    content = page(browser(ann), waiting)

    assert "Replaced by a stricter request" in text(content)
    assert f"{LIST}{successor.pk}/change/" in content
    assert shown(browser(ann), waiting)["state"] == "superseded"
    log = browser(iris).get("/audit/", {"message_type": "approvals.tighten"})
    assert log.status_code == 200
    assert voted(browser, waiting, ann).json()["code"] == "already_decided"
