"""Raise again: who asked for what came to nothing asks once more, by the policies of today."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission

from apikeys.commands import CreateApiKey, DeleteApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Withdraw
from approvals.models import ApprovalRequest, Policy
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.approvals.asking import address, switch_off, switch_on
from tests.conftest import approved, completed, policy
from tests.http import call
from tests.probes import Broken, outage, rename_unless_down, to
from tests.tampering import let_time_pass, tamper


@pytest.fixture
def dana(dana):
    """Dana may also open the pages of requests."""
    dana.is_staff = True
    dana.save()
    dana.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    return dana


@pytest.fixture
def stale(waiting, first_key, ann, bob):
    """What two approved, and was refused, for the key had changed."""
    completed(to(switch_off, first_key.id))
    refused = approved(waiting, ann, bob)
    completed(to(switch_on, first_key.id))
    return refused


def send(client, request, verb, **body):
    return call(client, "POST", address(request, verb), body)


def page(request):
    return f"/admin/approvals/approvalrequest/{request.pk}/change/"


def raise_on_page(client, request, *, reason="Once more"):
    path = f"/admin/approvals/approvalrequest/{request.pk}/decide/"
    return client.post(path, {"decision": "raise_again", "reason": reason}, follow=True)


def the_new_one(*, than):
    return ApprovalRequest.objects.exclude(pk=than.pk).get()


def test_a_stale_request_is_held_again(stale, dana, browser):
    answer = raise_on_page(browser(dana), stale)

    again = the_new_one(than=stale)
    record = CommandRecord.objects.get(command_id=again.command_id)
    assert (stale.outcome_code, again.state) == ("stale", "pending")
    assert again.command() == stale.command()
    assert again.command_id != stale.command_id
    assert (record.channel, record.reason, record.actor_label) == ("admin", "Once more", "dana")
    text = answer.content.decode()
    assert "Waiting for approval by “Security”" in text
    assert page(again) in text


def test_a_resubmitted_request_can_be_approved(stale, dana, ann, bob, browser):
    raise_on_page(browser(dana), stale)

    assert approved(the_new_one(than=stale), ann, bob).state == "executed"
    assert not ApiKey.objects.get().is_enabled
    stale.refresh_from_db()
    assert stale.state == "refused"


def test_the_form_has_the_old_reason(stale, dana, browser):
    text = browser(dana).get(page(stale)).content.decode()

    assert 'value="raise_again"' in text
    assert "Leaked</textarea>" in text


def test_it_goes_by_the_policies_of_today(stale, dana, browser):
    with outside_command("The policy is gone"):
        Policy.objects.get().disable()

    answer = raise_on_page(browser(dana), stale)

    assert "done." in answer.content.decode()
    assert not ApiKey.objects.get().is_enabled
    assert ApprovalRequest.objects.get() == stale


def test_a_denied_request_is_resubmitted(waiting, dana, ann, deny, browser):
    deny(waiting, ann)

    raise_on_page(browser(dana), waiting)

    assert the_new_one(than=waiting).state == "pending"


def test_an_expired_request_is_resubmitted_recorded_or_not(waiting, dana, browser, owner):
    let_time_pass(owner, waiting)

    raise_on_page(browser(dana), waiting)

    assert the_new_one(than=waiting).state == "pending"


def test_what_it_would_make_gets_an_id_of_its_own(
    hold, acme, dana, security, ann, deny, context_of, browser
):
    policy("apikeys.create", group=security, quorum=1)
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="new")
    denied = hold(command, context=context_of(dana))
    deny(denied, ann)

    raise_on_page(browser(dana), denied)

    again = the_new_one(than=denied)
    assert again.subject_id != denied.subject_id
    assert approved(again, ann).state == "executed"
    assert ApiKey.objects.get().name == "new"


def test_a_secret_is_shown_on_a_page_and_not_in_a_message(
    hold, acme, dana, security, ann, deny, context_of, browser
):
    made = policy("apikeys.create", group=security, quorum=1)
    command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="new")
    denied = hold(command, context=context_of(dana))
    deny(denied, ann)
    with outside_command("The policy is gone"):
        made.disable()

    client = browser(dana)
    text = raise_on_page(client, denied).content.decode()

    assert "It is not shown again" in text
    assert ApiKey.objects.get().prefix in text
    assert ApiKey.objects.get().prefix not in client.get(page(denied)).content.decode()


@pytest.mark.parametrize("ending", ["pending", "withdrawn", "executed"])
def test_no_other_request_is_resubmitted(ending, waiting, dana, ann, bob, context_of, browser):
    if ending == "withdrawn":
        completed(Withdraw(approval_request_id=waiting.pk), context=context_of(dana))
    if ending == "executed":
        approved(waiting, ann, bob)
    client = browser(dana)
    assert 'value="raise_again"' not in client.get(page(waiting)).content.decode()
    commands = CommandRecord.objects.count()

    answer = raise_on_page(client, waiting)

    assert "can be resubmitted" in answer.content.decode()
    assert CommandRecord.objects.count() == commands
    assert ApprovalRequest.objects.get().state == ending


def test_only_the_requester_resubmits_a_request(stale, ann, browser):
    client = browser(ann)
    assert 'value="raise_again"' not in client.get(page(stale)).content.decode()

    answer = raise_on_page(client, stale)

    assert "Only the requester may withdraw" in answer.content.decode()
    assert ApprovalRequest.objects.get() == stale


def test_an_altered_request_cannot_be_resubmitted(waiting, dana, ann, deny, browser, owner):
    deny(waiting, ann)
    tamper(owner, waiting, seal="k1:00")
    client = browser(dana)
    assert 'value="raise_again"' not in client.get(page(waiting)).content.decode()

    raise_on_page(client, waiting)

    assert ApprovalRequest.objects.count() == 1


def test_over_http_it_is_held_again(stale, dana, browser):
    answer = send(browser(dana), stale, "raise-again", comment="Once more")

    again = the_new_one(than=stale)
    assert answer.status_code == 202
    assert answer["Location"] == f"/api/v2/commands/{again.command_id}"
    assert answer.json()["approval_request"]["id"] == str(again.pk)
    assert again.reason == "Once more"


def test_over_http_what_needs_no_approval_any_more_is_done(stale, dana, browser):
    with outside_command("The policy is gone"):
        Policy.objects.get().disable()

    answer = send(browser(dana), stale, "raise-again")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "succeeded",
        "command": {
            "id": answer["Command-Id"],
            "url": f"/api/v2/commands/{answer['Command-Id']}",
        },
    }


def test_over_http_it_is_refused_as_the_command_itself_would_be(stale, first_key, dana, browser):
    completed(DeleteApiKey(api_key_id=first_key.id))

    answer = send(browser(dana), stale, "raise-again")

    assert (answer.status_code, answer.json()["code"]) == (409, "already_deleted")


def test_over_http_other_callers_are_refused(stale, waiting, ann, browser):
    answer = send(browser(ann), stale, "raise-again")

    assert (answer.status_code, answer.json()["code"]) == (403, "not_the_requester")
    assert ApprovalRequest.objects.get() == stale


def test_over_http_a_waiting_request_is_not_resubmitted(waiting, dana, browser):
    answer = send(browser(dana), waiting, "raise-again")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_to_be_raised_again")


@pytest.fixture
def failed(hold, first_key, dana, security, ann, bob, context_of):
    """What was approved and failed when it was carried out; now it would succeed."""
    policy("tests.probe", group=security, quorum=1)
    command = to(rename_unless_down, first_key.id)
    asked = hold(command, context=context_of(dana))
    with outage(Broken("down")):
        approved(asked, ann)
    asked.refresh_from_db()
    return asked


def test_over_http_what_failed_in_a_way_that_may_pass_is_tried_again(failed, dana, browser):
    answer = send(browser(dana), failed, "retry", comment="It is up again")

    assert (answer.status_code, answer.json()["state"]) == (200, "executed")
    assert ApiKey.objects.get().name == "renamed"


def test_over_http_nothing_else_is_tried_again(waiting, dana, browser):
    answer = send(browser(dana), waiting, "retry")

    assert (answer.status_code, answer.json()["code"]) == (409, "not_to_be_retried")


def test_a_failed_request_is_resubmitted(failed, dana, browser):
    raise_on_page(browser(dana), failed)

    assert the_new_one(than=failed).state == "pending"


@pytest.mark.parametrize(
    ("where", "status"),
    [("the waiting request", 409), ("another id", 404)],
)
def test_a_dry_run_shows_why_it_cannot_be_resubmitted(waiting, dana, browser, where, status):
    request = waiting if where == "the waiting request" else ApprovalRequest(pk=uuid4())
    path = address(request, "raise-again")

    answer = call(browser(dana), "POST", f"{path}?dry_run=true", {})
    real = call(browser(dana), "POST", path, {})
    mistyped = call(browser(dana), "POST", f"{path}?dryrun=true", {})

    shown = answer.json()
    assert (answer.status_code, answer["Dry-Run"]) == (200, "true")
    assert (shown["outcome"], shown["problem"]["status"]) == ("would_be_refused", status)
    assert (real.status_code, real.json()["code"]) == (status, shown["problem"]["code"])
    assert mistyped.status_code == 400
