"""The gate of a deployment: what waits can be loaded by this code, and approved by these people."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from approvals import checks
from audit.models.subscriptions import Checkpoint
from audit.testing import react
from tests.tampering import let_time_pass, tamper


def check():
    output, errors = StringIO(), StringIO()
    try:
        call_command("approvals_check", stdout=output, stderr=errors)
    except CommandError as error:
        return f"{errors.getvalue()}{error}"
    return output.getvalue()


def test_what_can_be_loaded_and_approved_passes(waiting):
    assert check() == "Every open approval request can be loaded and approved.\n"


def test_what_cannot_be_loaded_is_named(waiting, owner):
    tamper(owner, waiting, payload=b"\x80\x04N.")

    said = check()

    altered = f"approval request {waiting.pk} of dana on apikeys.disable: The requested command"
    assert altered in said
    assert "1 problems" in said


def test_what_too_few_people_are_left_to_approve_is_named(waiting, ann, security):
    ann.groups.remove(security)

    assert "too few people can approve it, which requires 2 of “Security”" in check()


@pytest.mark.parametrize("end", ["late", "denied"])
def test_a_decided_request_needs_no_check(end, waiting, ann, deny, owner):
    if end == "late":
        let_time_pass(owner, waiting)
    else:
        deny(waiting, ann)
    tamper(owner, waiting, payload=b"\x80\x04N.")

    assert check().startswith("Every open")


def test_a_project_without_a_worker_is_warned(waiting, monkeypatch):
    def warned():
        return [each.msg for each in checks.check_worker(databases=["default"])]

    assert warned() == ["No worker has run yet: no e-mail is sent, and no request expires."]
    react("approvals.mail")
    assert warned() == []

    monkeypatch.setattr(checks, "_LONGEST_LAG", timedelta(0))
    assert warned() == []
    Checkpoint.objects.update(epoch=0, xid=0, position=0)
    (message,) = warned()
    assert message.startswith("E-mail has been waiting to be sent since 20")
