"""The starting points of tests of the audit pages."""

import pytest

from apikeys.commands import DisableApiKey
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import PreconditionFailed
from tests.conftest import completed, create_key


@pytest.fixture
def globex_key(gus, globex):
    """A key of Globex, which no user of Acme may see."""
    return create_key(gus, globex, name="globex-main")


@pytest.fixture
def asked(first_key, dana, disabling_needs_two, context_of):
    """Dana's request to disable her first key: two of Security have to approve."""
    context = context_of(dana, channel="v1", reason="Leaked")
    outcome = dispatch(DisableApiKey(api_key_id=first_key.id), context=context)
    return ApprovalRequest.objects.get(command_id=outcome.command_id)


@pytest.fixture
def disabled(asked, ann, bob, context_of):
    """The request after Ann and Bob approved it, so the key is disabled."""
    for person in (ann, bob):
        context = context_of(person, channel="admin", reason=f"{person} agrees")
        completed(Approve(approval_request_id=asked.pk, digest=asked.digest), context=context)
    return asked


@pytest.fixture
def disabled_twice(first_key, dana, context_of):
    """A disabled key, with a refused second attempt to disable it."""
    command = DisableApiKey(api_key_id=first_key.id)
    completed(command, context=context_of(dana, channel="v2", reason="Rotation"))
    with pytest.raises(PreconditionFailed):
        dispatch(command, context=context_of(dana, channel="v2", expected_number=1))
    return first_key


@pytest.fixture
def act(context_of):
    """A function that dispatches a command as a user."""
    return lambda user, command, **facts: dispatch(command, context=context_of(user, **facts))


@pytest.fixture
def read(iris, browser):
    """A function that reads a page as Iris."""
    client = browser(iris)
    return lambda url, query=None: client.get(url, query).content.decode()
