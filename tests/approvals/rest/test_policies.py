"""Policies over HTTP: what is proposed waits for two owners, like everything under the floor."""

from uuid import uuid4

import pytest

from approvals.models import ApprovalRequest, Policy
from audit.models.records import CommandRecord
from tests.conftest import approved, member, policy
from tests.http import call

POLICIES = "/api/v2/policies"


@pytest.fixture
def proposal(security, ann, bob):
    return {
        "governs": "apikeys.disable",
        "condition": 'actor.kind == "api_key"',
        "rules": [{"group": "Security", "quorum": 2}],
        "approve_within": "PT48H",
    }


def test_a_policy_is_proposed_approved_and_shown(proposal, manager, policy_owners, browser):
    answer = call(browser(manager), "POST", POLICIES, proposal)

    assert answer.status_code == 202
    assert not Policy.objects.exists()
    for owner in policy_owners[:2]:
        approved(ApprovalRequest.objects.get(), owner)
    made = Policy.objects.get()
    shown = call(browser(policy_owners[0]), "GET", f"{POLICIES}/{made.pk}").json()
    assert shown["condition"] == proposal["condition"]
    assert [(rule["group"], rule["quorum"]) for rule in shown["rules"]] == [("Security", 2)]


def test_an_edit_and_the_end_of_a_policy_wait_as_well(
    proposal, manager, policy_owners, browser, security, ann, bob
):
    made = policy("apikeys.disable", group=security, quorum=1)

    edit = call(browser(manager), "PUT", f"{POLICIES}/{made.pk}", proposal)
    end = call(browser(manager), "DELETE", f"{POLICIES}/{made.pk}")

    assert (edit.status_code, end.status_code) == (202, 202)
    for owner in policy_owners[:2]:
        approved(ApprovalRequest.objects.get(message_type="approvals.edit_policy"), owner)
    made.refresh_from_db()
    assert (made.version, made.rules.get(is_dropped=False).quorum) == (2, 2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"condition": "subject.typo"}, "condition"),
        ({"governs": "no.such.command"}, "governs"),
        ({"rules": [{"group": "Nobody", "quorum": 1}]}, "rules/0/group"),
        ({"rules": [{"group": "Security", "quorum": 3}]}, "rules"),
        ({"effect": "shrug"}, "effect"),
        ({"approve_within": "soon"}, "approve_within"),
        ({"approve_within": "PT0S"}, "approve_within"),
        ({"execute_within": "P0D"}, "execute_within"),
    ],
)
def test_a_bad_proposal_is_refused_by_field_before_it_is_held(
    proposal, manager, policy_owners, browser, change, field
):
    answer = call(browser(manager), "POST", POLICIES, proposal | change)

    assert answer.status_code == 400, answer.content
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]
    assert not ApprovalRequest.objects.exists()
    assert CommandRecord.objects.get(command_id=answer["Command-Id"]).status == "refused"


def test_an_unknown_group_is_named_in_quotation_marks(proposal, manager, policy_owners, browser):
    for name, shown in (("Nobody", "“Nobody”"), ("a\x00b", "“a[U+0000]b”")):
        body = proposal | {"rules": [{"group": name, "quorum": 1}]}

        answer = call(browser(manager), "POST", POLICIES, body)

        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["code"]) == (400, "does_not_exist")
        assert error["detail"] == f"There is no group {shown}."


@pytest.mark.parametrize("condition", [{}, {"If_Match": '"999"'}])
def test_a_policy_of_another_customer_is_not_found_by_any_command(
    condition, proposal, policy_owners, security, acme, globex, browser
):
    hidden = policy("apikeys.rotate", group=security, quorum=1, tenant=str(globex.pk)).pk
    client = browser(member("max", acme, permissions=("manage_policy", "view_policy")))

    for method, body in (("PUT", proposal), ("DELETE", {})):
        answers = [
            call(client, method, f"{POLICIES}/{each}", body, **condition).json()
            for each in (hidden, uuid4())
        ]
        assert [(each["status"], each["code"]) for each in answers] == [(404, "not_found")] * 2
        assert answers[0]["detail"] == answers[1]["detail"]
    assert not ApprovalRequest.objects.exists()


def test_who_may_not_manage_policies_proposes_nothing(proposal, dana, policy_owners, browser):
    answer = call(browser(dana), "POST", POLICIES, proposal)

    assert answer.status_code == 403
    assert not ApprovalRequest.objects.exists()
