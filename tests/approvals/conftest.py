"""Pending requests, and more people."""

import pytest
from django.contrib.auth.models import User

from apikeys.commands import DisableApiKey
from approvals.decisions.commands import Approve, Deny, Retry, TakeBack
from approvals.models import ApprovalRequest
from audit.bus.dispatch import dispatch
from audit.messages.outcomes import Postponed
from tests.approvals.asking import KEYS
from tests.conftest import AS_SYSTEM, PASSWORD, completed, member
from tests.http import call


@pytest.fixture
def held(client, first_key, disabling_needs_two):
    """The response to Dana's request to disable her key: two of Security have to approve."""
    path = f"{KEYS}/{first_key.id}/disable"
    return call(client, "POST", path, {"reason": "Leaked"}, key=first_key)


@pytest.fixture
def asked(held):
    """The request that waits for Security."""
    return ApprovalRequest.objects.get(command_id=held["Command-Id"])


@pytest.fixture
def root():
    """A superuser who belongs to no group."""
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def otto(acme):
    """Acts for Acme and may see its requests, but belongs to no group."""
    return member("otto", acme, permissions=("view_approvalrequest",))


@pytest.fixture
def hold():
    """A function that dispatches a command that must be held, and returns its request."""

    def send(command, *, context=AS_SYSTEM):
        outcome = dispatch(command, context=context)
        assert isinstance(outcome, Postponed)
        return ApprovalRequest.objects.get(command_id=outcome.command_id)

    return send


@pytest.fixture
def waiting(hold, first_key, dana, disabling_needs_two, context_of):
    """Dana's request to disable her first key: two of Security have to approve."""
    context = context_of(dana, channel="v1", reason="Leaked")
    return hold(DisableApiKey(api_key_id=first_key.id), context=context)


@pytest.fixture
def approve(context_of):
    """A function that approves a request as a user."""

    def send(asked, person, **facts):
        command = Approve(approval_request_id=asked.pk, digest=asked.digest)
        return completed(command, context=context_of(person, **facts))

    return send


@pytest.fixture
def deny(context_of):
    """A function that denies a request as a user."""
    return lambda request, person: completed(
        Deny(approval_request_id=request.pk, digest=request.digest),
        context=context_of(person, reason="Still in use"),
    )


@pytest.fixture
def take_back(context_of):
    """A function that takes back a user's vote."""
    return lambda request, person: completed(
        TakeBack(approval_request_id=request.pk, digest=request.digest),
        context=context_of(person),
    )


@pytest.fixture
def retry(context_of):
    """A function that retries a failed request as a user."""
    return lambda request, person: completed(
        Retry(approval_request_id=request.pk), context=context_of(person)
    )
