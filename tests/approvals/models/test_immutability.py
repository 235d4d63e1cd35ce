"""What is decided, and what was asked for, stays as it is: the database sees to it."""

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction

from approvals.models import ApprovalRequest, Vote
from audit.outside import outside_command

ASKED_FOR = [
    "payload = '\\x00'",
    "seal = 'k1:00'",
    "digest = repeat('0', 64)",
    "requirements = '{}'",
    "requester_kind = 'system'",
    "requester_id = '1'",
    "requester_person = ''",
    "requester_label = 'somebody'",
    "command_id = gen_random_uuid()",
    "message_type = 'apikeys.enable'",
    "subject_type = 'customer'",
    "subject_id = 'x'",
    "subject_number = 99",
    "subject_values = NULL",
    "tenant = ''",
    "approve_by = approve_by + interval '1 year'",
    "execute_by = now() + interval '1 year'",
]


def write(sql):
    """Write as somebody inside a command could."""
    with outside_command("An attempt"), connection.cursor() as cursor:
        cursor.execute(sql)


def row():
    return ApprovalRequest.objects.values().get()


@pytest.mark.parametrize("change", ASKED_FOR)
def test_the_content_of_a_request_never_changes_while_it_waits(change, waiting):
    before = row()

    with pytest.raises(IntegrityError, match="cannot be changed"):
        write(f"UPDATE approvals_approvalrequest SET {change}")

    assert row() == before


@pytest.mark.parametrize("change", ASKED_FOR)
def test_not_even_the_owner_of_the_tables_changes_it_by_accident(change, waiting, owner):
    before = row()

    owner.execute("SELECT set_config('audit.command_id', 'x', false)")
    with pytest.raises(psycopg.Error, match="cannot be changed"):
        owner.execute(f"UPDATE approvals_approvalrequest SET {change}")
    owner.execute("SELECT set_config('audit.command_id', '', false)")

    assert row() == before


@pytest.fixture(params=["executed", "denied", "withdrawn", "expired", "superseded", "refused"])
def decided(request, waiting):
    """A request that has come to each of its ends."""
    with outside_command("Straight to the end"):
        waiting.settle(request.param, outcome="This is how it ended.")
    return waiting


@pytest.mark.parametrize(
    "change", ["state = 'pending'", "state = 'executed', outcome = 'x'", "decided_at = now()"]
)
def test_what_is_decided_stays_decided(change, decided):
    before = row()

    with pytest.raises(IntegrityError, match=f"is {decided.state} already, and stays so"):
        write(f"UPDATE approvals_approvalrequest SET {change}")

    assert row() == before


def test_a_permanent_failure_stays_failed(waiting):
    with outside_command("Straight to the end"):
        waiting.settle("failed", outcome="Broken", outcome_code="integrity")

    with pytest.raises(IntegrityError, match="is failed already"):
        write("UPDATE approvals_approvalrequest SET state = 'executed'")


def test_what_failed_and_may_be_tried_again_never_waits_again(waiting):
    with outside_command("Straight to the end"):
        waiting.settle("failed", outcome="Slow", outcome_code="error", is_retriable=True)

    for state in ("pending", "denied", "withdrawn"):
        with pytest.raises(IntegrityError, match="after it failed"):
            write(f"UPDATE approvals_approvalrequest SET state = '{state}', is_retriable = false")


def test_only_what_failed_can_be_marked_to_be_tried_again(waiting):
    with pytest.raises(IntegrityError, match="approvals_request_retriable_failed"):
        write("UPDATE approvals_approvalrequest SET is_retriable = true")


def test_no_request_is_ever_deleted(waiting):
    with pytest.raises(IntegrityError, match="cannot be deleted"):
        write("DELETE FROM approvals_approvalrequest")

    assert ApprovalRequest.objects.filter(pk=waiting.pk).exists()


@pytest.mark.parametrize(
    "sql", ["UPDATE approvals_vote SET decision = 'deny'", "DELETE FROM approvals_vote"]
)
def test_no_vote_is_ever_changed(sql, waiting, ann, approve):
    approve(waiting, ann)

    with pytest.raises(Exception, match=r"permission denied|append-only"), transaction.atomic():
        write(sql)

    assert Vote.objects.get().decision == "approve"
