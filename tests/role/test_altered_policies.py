"""Policies that the application's role changed by SQL: what they govern is refused, not allowed."""

import json
import logging
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from apikeys.commands import DisableApiKey, EnableApiKey, PickUpSecret
from apikeys.models import ApiKey
from approvals import checks
from approvals.models import Policy, Rule
from approvals.policies.commands import CreatePolicy, DisablePolicy, EditPolicy
from audit.bus.dispatch import dispatch
from audit.installation.settings import countersign
from audit.messages.exceptions import Conflict, Forbidden
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.approvals.attacks import attack
from tests.conftest import approved, held, policy
from tests.http import call

POLICY = "approvals_policy"
RULE = "approvals_rule"
ALTERATIONS = {
    "disabled": f"UPDATE {POLICY} SET is_enabled = false",
    "governs another command": f"UPDATE {POLICY} SET governs = 'apikeys.rotate'",
    "for another tenant": f"UPDATE {POLICY} SET tenant = 'another'",
    "with a condition": f"UPDATE {POLICY} SET condition = 'false'",
    "with another effect": f"UPDATE {POLICY} SET effect = 'allow'",
    "with another version": f"UPDATE {POLICY} SET version = 2147483647",
    "with an option": f"UPDATE {POLICY} SET requester_may_vote = true",
    "with a limit": f"UPDATE {POLICY} SET execute_within = interval '9 years'",
    "a lower quorum": f"UPDATE {RULE} SET quorum = 1",
    "a dropped rule": f"UPDATE {RULE} SET is_dropped = true",
    "a deleted rule": f"DELETE FROM {RULE}",
    "another group": f"UPDATE {RULE} SET group_id = (SELECT max(id) FROM auth_group)",
}


@pytest.fixture
def gate(security, ann, bob, policy_owners):
    """The policy that two of Security approve before a key is disabled."""
    return policy("apikeys.disable", group=security, quorum=2)


@pytest.fixture
def disable(first_key, dana, context_of):
    """A function that sends Dana's command to disable her key."""
    return lambda: dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))


def refuses(disable, caplog):
    """Assert that the command is refused with an alarm, and nothing is changed."""
    with caplog.at_level(logging.ERROR), pytest.raises(Forbidden) as refusal:
        disable()
    assert refusal.value.code == "policy_altered"
    assert "approvals_check" in refusal.value.remedy
    assert "policy altered" in caplog.text
    assert ApiKey.objects.get().is_enabled
    assert CommandRecord.objects.latest("position").error_code == "policy_altered"


@pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS)
def test_what_an_altered_policy_governs_is_refused_with_an_alarm(alteration, gate, disable, caplog):
    attack(alteration)

    refuses(disable, caplog)


def test_what_it_governs_only_since_it_was_altered_is_refused_too(
    gate, first_key, dana, context_of
):
    attack(ALTERATIONS["governs another command"].replace("rotate", "enable"))

    with pytest.raises(Forbidden):
        dispatch(EnableApiKey(api_key_id=first_key.id), context=context_of(dana))


def test_other_commands_are_not_refused(gate, first_key, dana, context_of):
    attack(ALTERATIONS["disabled"])

    with pytest.raises(Conflict, match="no secret to pick up"):
        dispatch(PickUpSecret(api_key_id=first_key.id), context=context_of(dana))


def test_a_policy_cannot_be_deleted(gate, disable):
    with pytest.raises(IntegrityError):
        attack(f"DELETE FROM {RULE}", f"DELETE FROM {POLICY}")
    with pytest.raises(IntegrityError):
        attack(f"DELETE FROM {RULE}", f"UPDATE {POLICY} SET id = gen_random_uuid()")

    disable()
    assert ApiKey.objects.get().is_enabled


def test_an_earlier_version_that_was_sealed_does_not_come_back(
    gate, security, policy_owners, disable, caplog
):
    before = Policy.objects.values().get()
    rule = Rule.objects.get()
    edit = EditPolicy(
        policy_id=gate.pk, governs="apikeys.disable", groups=(security.pk,), quorums=(1,)
    )
    assert approved(held(edit), *policy_owners[:2]).state == "executed"
    names = [name for name in before if name != "id"]
    assignments = ", ".join(f"{name} = %s" for name in names)
    attack(
        (f"UPDATE {POLICY} SET {assignments}", [before[name] for name in names]),
        (f"UPDATE {RULE} SET is_dropped = (id <> %s)", [rule.pk]),
    )

    refuses(disable, caplog)


def test_a_disabled_policy_does_not_come_back(gate, policy_owners, disable, caplog):
    assert approved(held(DisablePolicy(policy_id=gate.pk)), *policy_owners[:2]).state == "executed"
    attack(f"UPDATE {POLICY} SET is_enabled = true, version = 1")

    refuses(disable, caplog)


def test_a_forged_seal_does_not_make_it_genuine(gate, disable, caplog):
    attack(
        ALTERATIONS["a lower quorum"],
        f"UPDATE {POLICY} SET version = version + 1",
        """INSERT INTO approvals_policyseal (id, policy_id, version, governs, content, mac)
           SELECT gen_random_uuid(), policy_id, version + 1, governs,
               jsonb_set(content, '{rules,0,quorum}', '1'), mac FROM approvals_policyseal""",
    )

    refuses(disable, caplog)


DEEP = '{"a":' * 3000 + "1" + "}" * 3000


@pytest.mark.parametrize("content", ["null", "[]", '"x"', "{}", '{"rules": 1}', DEEP])
def test_a_forged_seal_breaks_nothing(content, gate, disable, browser, policy_owners):
    attack(
        (
            """INSERT INTO approvals_policyseal (id, policy_id, version, governs, content, mac)
               SELECT gen_random_uuid(), policy_id, 2147483647, governs, %s, 'k1:00'
               FROM approvals_policyseal""",
            [content],
        )
    )

    disable()
    page = browser(policy_owners[0]).get(f"/admin/approvals/policy/{gate.pk}/change/")
    assert page.status_code == 200
    assert "altered" not in page.content.decode()


def test_a_policy_that_was_inserted_is_not_followed(ann, security, disable, caplog):
    attack(
        f"""INSERT INTO {POLICY} (id, governs, tenant, condition, effect, message,
            requester_may_vote, requester_reason_required, approver_reason_required,
            minimum_membership, one_open_request, is_enabled, version)
        VALUES (gen_random_uuid(), 'apikeys.disable', '', '', 'allow', '',
            false, false, false, '0', true, true, 1)"""
    )

    refuses(disable, caplog)


def test_the_register_cannot_be_changed(gate):
    for statement in (
        "UPDATE approvals_policyseal SET version = 7",
        "DELETE FROM approvals_policyseal",
        "TRUNCATE approvals_policyseal",
    ):
        with pytest.raises(Exception, match="permission denied"):
            attack(statement)


def test_an_altered_policy_is_not_edited(gate, security, policy_owners):
    edit = EditPolicy(policy_id=gate.pk, governs="apikeys.rotate", effect="forbid")
    request = held(edit)
    attack(ALTERATIONS["a lower quorum"])

    request = approved(request, *policy_owners[:2])

    assert request.state == "refused"
    assert "altered" in request.outcome


def test_the_pages_and_the_api_mark_it(gate, policy_owners, browser):
    client = browser(policy_owners[0])
    assert "altered" not in client.get("/admin/approvals/policy/").content.decode()
    attack(ALTERATIONS["a lower quorum"])

    listed = client.get("/admin/approvals/policy/").content.decode()
    page = client.get(f"/admin/approvals/policy/{gate.pk}/change/").content.decode()
    resource = call(client, "GET", f"/api/v2/policies/{gate.pk}").json()

    assert "altered" in listed
    assert 'class="panel panel-broken" role="alert"' in page
    assert "does not match its seal" in resource["problem"]


def report():
    errors = StringIO()
    with pytest.raises(CommandError):
        call_command("approvals_check", stdout=StringIO(), stderr=errors)
    return errors.getvalue()


def test_both_checks_report_it(gate):
    assert checks.check_seals(databases=["default"]) == []
    attack(ALTERATIONS["a lower quorum"])

    (error,) = checks.check_seals(databases=["default"])

    assert error.id == "approvals.E004"
    assert str(gate.pk) in error.msg
    assert f"policy on apikeys.disable ({gate.pk})" in report()


@pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS)
def test_an_operator_restores_what_was_sealed(alteration, gate, disable):
    attack(alteration)

    call_command("approvals_seal", restore=gate.pk, reason="Incident 17", stdout=StringIO())

    assert checks.check_seals(databases=["default"]) == []
    disable()
    assert ApiKey.objects.get().is_enabled
    record = CommandRecord.objects.get(reason="Incident 17")
    assert record.message_type == "audit.change_outside_command"


def test_a_policy_from_before_the_seals_is_sealed_by_an_operator(security, ann, bob, disable):
    with outside_command("As an earlier version did"):
        made = Policy.objects.create(governs="apikeys.disable", effect="require_approval")
        Rule.objects.create(policy=made, group=security, quorum=2)
    (error,) = checks.check_seals(databases=["default"])
    assert "approvals_seal" in error.hint
    with pytest.raises(Forbidden, match="no seal"):
        disable()

    output = StringIO()
    call_command("approvals_seal", reason="Upgrade", stdout=output)

    assert f"Sealed: policy on apikeys.disable ({made.pk})" in output.getvalue()
    assert checks.check_seals(databases=["default"]) == []
    disable()
    assert ApiKey.objects.get().is_enabled


def test_sealing_does_not_accept_what_was_altered(gate, disable, caplog):
    attack(ALTERATIONS["a lower quorum"])

    with pytest.raises(CommandError, match="1 "):
        call_command("approvals_seal", reason="By mistake", stdout=StringIO(), stderr=StringIO())

    refuses(disable, caplog)


def test_each_change_by_command_is_sealed(policy_owners, security, ann, bob):
    create = CreatePolicy(governs="apikeys.rotate", groups=(security.pk,), quorums=(1,))
    approved(held(create), *policy_owners[:2])
    edit = EditPolicy(policy_id=create.policy_id, governs="apikeys.enable", effect="forbid")
    approved(held(edit), *policy_owners[:2])
    approved(held(DisablePolicy(policy_id=create.policy_id)), *policy_owners[:2])

    made = Policy.objects.get()
    assert (made.version, made.is_enabled) == (3, False)
    assert made.problem == ""
    assert [seal.version for seal in made.seals.order_by("version")] == [1, 2, 3]


def test_a_seal_under_an_earlier_key_is_still_genuine(gate, configure):
    configure(PAYLOAD_KEYS={"k9": b"new" * 11, **countersign().payload_keys})
    assert Policy.objects.get().problem == ""

    configure(PAYLOAD_KEYS={"k9": b"new" * 11})
    assert Policy.objects.get().problem


def test_the_sealed_content_is_stable(gate):
    """A stored format: what this version seals, later ones must be able to verify."""
    (seal,) = gate.seals.all()
    rule = Rule.objects.get()

    assert json.loads(json.dumps(seal.content)) == {
        "tenant": "",
        "condition": "",
        "effect": "require_approval",
        "message": "",
        "is_enabled": True,
        "requester_may_vote": False,
        "requester_reason_required": False,
        "approver_reason_required": False,
        "one_open_request": True,
        "minimum_membership_s": None,
        "approve_within_s": None,
        "execute_within_s": None,
        "rules": [{"id": str(rule.pk), "group_id": rule.group_id, "quorum": 2}],
    }
