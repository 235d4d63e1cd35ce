"""The current status of a request is the same for every reader."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from apikeys.commands import CreateApiKey, DisableApiKey, PickUpSecret, RotateApiKey
from apikeys.models import PickUp
from approvals.models import ApprovalRequest, Policy, Rule
from approvals.models.states import RequestStatus
from approvals.requests import listing
from approvals.requests.statuses import statuses_of
from audit.outside import outside_command
from tests import mails
from tests.approvals.admin_pages import LIST, decide, page, text
from tests.approvals.asking import REQUESTS, address
from tests.conftest import actor, approved, completed, create_key, new_approver, policy
from tests.http import call
from tests.tampering import let_time_pass

COMMANDS = "/api/v2/commands"


@pytest.fixture
def reading_key(dana, acme):
    return create_key(dana, acme, name="reader")


@pytest.fixture
def change(owner, first_key, dana, ann, bob, acme, security, hold, context_of, browser, waiting):
    """Return the functions that lead to each status, and return its request."""

    def edit(**columns):
        with outside_command("An edit of a policy for a test"):
            if "quorum" in columns:
                Rule.objects.update(quorum=columns.pop("quorum"))
            Policy.objects.get().edit(**columns)

    def approved_but_not_executed():
        new_approver("carol", acme, groups=[security])
        edit(quorum=3)
        approved(waiting, ann, bob)
        edit(is_enabled=False)
        return waiting

    def unsatisfiable():
        User.objects.filter(pk=bob.pk).update(is_active=False)
        return waiting

    def forbidden_today():
        policy("apikeys.*", group=security, quorum=1, effect="forbid")
        return waiting

    def denied():
        decide(browser(ann), waiting, "deny", reason="Still in use")
        return waiting

    def expired():
        let_time_pass(owner, waiting)
        return waiting

    def secret_waits():
        policy("apikeys.create", group=security, quorum=1)
        command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
        return approved(hold(command, context=context_of(dana)), ann)

    return {
        RequestStatus.WAITING: lambda: waiting,
        RequestStatus.APPROVED: approved_but_not_executed,
        RequestStatus.UNSATISFIABLE: unsatisfiable,
        "forbidden today": forbidden_today,
        RequestStatus.EXECUTED: lambda: approved(waiting, ann, bob),
        RequestStatus.SECRET_TO_PICK_UP: secret_waits,
        RequestStatus.DENIED: denied,
        RequestStatus.EXPIRED: expired,
    }


def found_by_status(client):
    """Return the status by which the API finds each request."""
    return {
        row["id"]: each
        for each in RequestStatus.values
        if each != RequestStatus.ALTERED
        for row in client.get(f"{REQUESTS}?status={each}").json()["results"]
    }


@pytest.mark.parametrize(
    "name",
    [
        RequestStatus.WAITING,
        RequestStatus.APPROVED,
        RequestStatus.UNSATISFIABLE,
        "forbidden today",
        RequestStatus.EXECUTED,
        RequestStatus.SECRET_TO_PICK_UP,
        RequestStatus.DENIED,
        RequestStatus.EXPIRED,
    ],
)
def test_every_reader_shows_the_same_status(name, change, dana, ann, browser, client, reading_key):
    request = change[name]()
    status = RequestStatus.UNSATISFIABLE if name == "forbidden today" else name
    for_ann, for_dana = browser(ann), browser(dana)

    assert for_ann.get(address(request)).json()["status"] == status
    listed = for_ann.get(REQUESTS).json()["results"]
    assert {each["id"]: each["status"] for each in listed}[str(request.pk)] == status
    assert found_by_status(for_ann)[str(request.pk)] == status
    path = f"{COMMANDS}/{request.command_id}"
    for query in ("", "?wait=0"):
        answer = call(client, "GET", f"{path}{query}", key=reading_key).json()
        assert answer["approval"]["status"] == status
    label = f'class="status status-{status}">{status.label}<'
    assert label in page(for_ann, request)
    assert label in for_dana.get(f"/requests/{request.pk}/").content.decode()
    assert label in for_dana.get("/requests/").content.decode()
    # The deadline of a secret to pick up is wherever its status is.
    until = next((each.until.isoformat() for each in PickUp.objects.all()), None)
    in_api = for_ann.get(address(request)).json()["pick_up_by"]
    assert in_api == (until and until.replace("+00:00", "Z"))
    if until:
        assert "<dt>pick up by</dt><dd><span>2\xa0days" in page(for_ann, request)
        in_html = until.replace("+00:00", "Z")
        assert f'datetime="{in_html}"' in page(for_ann, request)


def test_the_inbox_is_filtered_by_status(change, ann, iris, browser):
    request = change[RequestStatus.UNSATISFIABLE]()

    for person, tab in ((ann, "needs"), (iris, "watching")):
        client = browser(person)
        for status in ("waiting", "unsatisfiable", "approved"):
            content = client.get(f"{LIST}?tab={tab}&state={status}").content.decode()
            assert (str(request.pk) in content) == (status == "unsatisfiable")


def test_a_status_narrows_what_needs_a_vote(change, ann, bob, browser):
    request = change[RequestStatus.WAITING]()
    found = listing.with_status(listing.needing_vote_of(actor(ann)), RequestStatus.WAITING)
    assert [each.pk for each in found] == found.ids() == [request.pk]

    approved(request, ann)

    assert not listing.with_status(listing.needing_vote_of(actor(ann)), RequestStatus.WAITING)


def test_only_the_command_that_issued_the_secret_has_one_to_pick_up(
    change, first_key, dana, ann, security, hold, context_of
):
    earlier = change[RequestStatus.SECRET_TO_PICK_UP]()
    api_key_id = earlier.command().api_key_id
    completed(PickUpSecret(api_key_id=api_key_id), context=context_of(dana))
    policy("apikeys.rotate", group=security, quorum=1)
    rotated = approved(
        hold(RotateApiKey(api_key_id=api_key_id, overlap_seconds=0), context=context_of(dana)), ann
    )

    found = statuses_of([earlier, rotated])

    assert found[earlier.pk] is RequestStatus.EXECUTED
    assert found[rotated.pk] is RequestStatus.SECRET_TO_PICK_UP


def test_the_requester_is_told_of_a_secret_to_pick_up(change, dana):
    User.objects.filter(pk=dana.pk).update(email="dana@example.test")

    request = change[RequestStatus.SECRET_TO_PICK_UP]()

    subjects = [each.subject for each in mails.sent() if each.to == ["dana@example.test"]]
    assert subjects[-1].startswith("[Countersign] Secret to pick up: Create")
    body, pick_up = mails.sent()[-1].body, PickUp.objects.get()
    assert f"Pick up the secret by {pick_up.until:%Y-%m-%d %H:%M} UTC" in body
    assert f"/requests/{request.pk}/" in body


def test_a_membership_that_is_too_new_makes_it_unsatisfiable(
    first_key, dana, acme, security, hold, context_of
):
    new_approver("june", acme, groups=[security])
    policy("apikeys.disable", group=security, quorum=1, minimum_membership=timedelta(days=1))

    request = hold(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert statuses_of([request])[request.pk] is RequestStatus.UNSATISFIABLE


def test_a_page_says_waiting_and_never_pending(waiting, ann, browser):
    assert " pending " not in text(page(browser(ann), waiting))
    assert ApprovalRequest.objects.get().state == "pending"
