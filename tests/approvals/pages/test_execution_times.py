"""Forms for commands that need approval have a time before which the command is not executed."""

import html
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.commands import DisableApiKey
from approvals.models import ApprovalRequest, Policy
from audit.models.records import CommandRecord
from tests.approvals.asking import decide
from tests.approvals.people_pages import NEW_APPROVER, asked, said, text, url_of
from tests.conftest import approved, policy

POLICIES = "/admin/approvals/policy/"


@pytest.fixture
def later():
    return (timezone.now() + timedelta(hours=1)).replace(second=0, microsecond=0)


@pytest.fixture
def new_approver(security):
    """A form for a new approver, which two policy owners approve."""
    return {"username": "erin", "email": "erin@example.com", "group": security.pk}


@pytest.fixture
def proposal(security, ann, bob):
    """A form that proposes a policy."""
    values = {"governs": "apikeys.enable", "effect": "require_approval"}
    rule = {"group_0": security.pk, "quorum_0": 1}
    return values | rule | {"step": "propose", "reason": "A reason"}


@pytest.fixture
def denied(hold, first_key, ann, dana, disabling_needs_two, later, context_of, browser):
    """Dana's request to disable her first key in an hour, which Ann has denied."""
    context = context_of(dana, channel="v1", reason="Leaked")
    context.execute_after = later
    request = hold(DisableApiKey(api_key_id=first_key.id), context=context)
    decide(browser(ann), request, "deny", comment="Not today")
    return request


def written(at):
    return f"{at:%Y-%m-%dT%H:%M}Z"


def value_of_field(content):
    """Return what the field for the time has, as text; None without the field."""
    found = re.search(r'<input[^>]*name="execute_after"[^>]*>', content)
    return found and (re.search(r'value="([^"]*)"', found[0]) or ("", ""))[1]


def confirm(client, form, **given):
    seen = asked(client, NEW_APPROVER, form).seen
    typed = {"seen": seen, "reason": "Typed"}
    return client.post(NEW_APPROVER, form | typed | given, follow=True)


def newest():
    return ApprovalRequest.objects.order_by("pk").last()


def test_a_confirmed_command_waits_until_its_time(
    new_approver, policy_owners, manager, later, browser
):
    client = browser(manager)
    assert value_of_field(client.post(NEW_APPROVER, new_approver).content.decode()) == ""

    confirm(client, new_approver, execute_after=written(later))

    request = newest()
    assert request.execute_after == later
    assert approved(request, *policy_owners[:2]).state == "pending"


def test_without_a_time_it_is_executed_once_it_is_approved(
    new_approver, policy_owners, manager, browser
):
    confirm(browser(manager), new_approver, execute_after="")

    assert newest().execute_after is None
    assert approved(newest(), *policy_owners[:2]).state == "executed"


def test_an_invalid_time_keeps_the_form(new_approver, policy_owners, manager, browser):
    before = CommandRecord.objects.count()

    answer = confirm(browser(manager), new_approver, execute_after="<tomorrow>")

    assert "Enter a date, or a date and a time" in text(answer)
    assert "what would happen has changed" not in text(answer)
    content = answer.content.decode()
    assert html.unescape(value_of_field(content)) == "<tomorrow>"
    assert ">Typed</textarea>" in content
    assert CommandRecord.objects.count() == before


@pytest.mark.parametrize(
    ("hours", "problem"),
    [
        (-1, "Not before: must be in the future"),
        (9000, r"Not before: must be no later than .* UTC, five minutes before the request"),
    ],
)
def test_an_unsuitable_time_is_refused_by_the_name_of_the_field(
    hours, problem, new_approver, policy_owners, manager, browser
):
    time = written(timezone.now() + timedelta(hours=hours))

    (message,) = said(confirm(browser(manager), new_approver, execute_after=time))

    assert re.search(problem, message)
    assert not ApprovalRequest.objects.exists()
    assert CommandRecord.objects.latest("position").status == "refused"


def test_what_needs_no_approval_has_no_field_and_refuses_a_time(manager, dana, later, browser):
    client, path = browser(manager), f"{url_of(dana)}ask/"
    page = client.post(path, {"verb": "deactivate"})
    form = {"verb": "deactivate", "seen": page.context["asked"].seen}

    answer = client.post(path, form | {"execute_after": written(later)}, follow=True)

    assert value_of_field(page.content.decode()) is None
    assert "Not before: is only for commands that need approval" in said(answer)[0]
    dana.refresh_from_db()
    assert dana.is_active


def test_what_a_policy_may_hold_has_the_field(manager, dana, security, browser):
    policy("approvals.set_user_active", group=security, quorum=1)

    page = browser(manager).post(f"{url_of(dana)}ask/", {"verb": "deactivate"})

    assert value_of_field(page.content.decode()) == ""


def test_a_proposal_waits_until_its_time(proposal, policy_owners, later, browser):
    client = browser(policy_owners[0])

    client.post(f"{POLICIES}new/", proposal | {"execute_after": written(later)})

    request = newest()
    assert (request.execute_after, request.reason) == (later, "A reason")
    assert approved(request, *policy_owners[1:]).state == "pending"
    assert not Policy.objects.exists()


def test_an_invalid_time_keeps_the_proposal(proposal, policy_owners, browser):
    answer = browser(policy_owners[0]).post(
        f"{POLICIES}new/", proposal | {"execute_after": "tomorrow"}
    )

    content = answer.content.decode()
    assert "Enter a date, or a date and a time" in content
    assert value_of_field(content) == "tomorrow"
    assert ">A reason</textarea>" in content
    assert 'name="governs" value="apikeys.enable"' in content
    assert content.count('name="execute_after"') == 1
    assert not ApprovalRequest.objects.exists()


def test_the_end_of_a_policy_can_be_proposed_for_later(
    policy_owners, security, ann, later, browser
):
    row = policy("apikeys.disable", group=security, quorum=1)
    client, path = browser(policy_owners[0]), f"{POLICIES}{row.pk}/disable/"

    answer = client.post(path, {"seen": "1", "step": "propose", "execute_after": "tomorrow"})
    client.post(path, {"seen": "1", "step": "propose", "execute_after": written(later)})

    assert "Enter a date, or a date and a time" in answer.content.decode()
    assert newest().execute_after == later


@pytest.mark.parametrize(
    ("typed", "hours"), [({}, 1), ({"execute_after": ""}, None), ({"execute_after": "+2"}, 2)]
)
def test_a_resubmission_has_the_time_of_its_form(typed, hours, denied, dana, later, browser):
    client, path = browser(dana), f"/requests/{denied.pk}/"
    content = client.get(path).content.decode()
    if typed.get("execute_after"):
        typed = {"execute_after": written(later + timedelta(hours=1))}

    client.post(path, {"decision": "raise_again", "reason": "Again"} | typed)

    assert value_of_field(content) == f"{later:%Y-%m-%dT%H:%M}"
    assert newest().pk != denied.pk
    assert newest().execute_after == (hours and later + timedelta(hours=hours - 1))


def test_a_resubmission_with_an_invalid_time_keeps_the_form(denied, dana, browser):
    answer = browser(dana).post(
        f"/requests/{denied.pk}/",
        {"decision": "raise_again", "values": "shown", "reason": "Typed", "execute_after": "soon"},
    )

    content = answer.content.decode()
    assert "Not before: Enter a date" in content
    assert value_of_field(content) == "soon"
    assert ">Typed</textarea>" in content
    assert ApprovalRequest.objects.count() == 1
