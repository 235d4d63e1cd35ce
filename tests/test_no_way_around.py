"""No page changes a tracked row but by a command, whoever sends whatever to it."""

import re

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.urls import URLPattern, URLResolver, get_resolver

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey, ApiKeySecret, Customer, Membership
from approvals.models import ApprovalRequest, Policy, Rule, Vote
from audit.bus.dispatch import dispatch
from audit.models.records import CommandRecord, EventRecord

TRACKED = (ApiKey, ApiKeySecret, Customer, Membership, Policy, Rule, ApprovalRequest, Vote)
METHODS = ("post", "put", "patch", "delete")


def addresses(patterns=None, prefix="/"):
    """Every route of the program that a browser can send something to, as a template."""
    for each in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, route)
        elif isinstance(each, URLPattern):
            yield route


def filled(route, rows):
    """Fill a route with ids of rows that exist."""
    route = route.replace("^", "").replace("$", "").replace("\\Z", "")
    name = re.search(r"/admin/(\w+/\w+)/", route)
    identifier = str(rows.get(name[1], rows["apikeys/apikey"]) if name else rows["apikeys/apikey"])
    route = re.sub(r"<uuid:command_id>|<uuid:correlation_id>", str(rows["command"]), route)
    route = re.sub(r"<\w+:subject_type>|<subject_type>|<str:type>|<type>", "api-key", route)
    route = re.sub(r"\(\[\^/\]\+\)/history/\(\[\^/\]\+\)/", f"{identifier}/history/1/", route)
    route = route.replace("/history/<path:version_id>", "/history/1")
    return re.sub(r"<[^>]+>|\([^)]*\)", identifier, route)


def snapshot():
    history = [model.history.model for model in TRACKED if hasattr(model, "history")]
    return {
        model.__name__: list(model._default_manager.order_by("pk").values_list())
        for model in (*TRACKED, *history, EventRecord)
    }


@pytest.fixture
def rows(first_key, disabling_needs_two, dana, context_of):
    held = dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    return {
        "apikeys/apikey": first_key.id,
        "apikeys/customer": Customer.objects.get().pk,
        "approvals/policy": Policy.objects.get().pk,
        "approvals/approvalrequest": ApprovalRequest.objects.get().pk,
        "audit/commandrecord": CommandRecord.objects.latest("position").pk,
        "audit/eventrecord": EventRecord.objects.latest("position").pk,
        "command": held.command_id,
    }


@pytest.mark.sweep
@pytest.mark.parametrize("role", ["nobody", "dana", "ann", "iris", "superuser"])
def test_no_admin_or_audit_address_changes_a_tracked_row(
    role, rows, client, browser, dana, ann, iris
):
    root = User.objects.create_superuser("root", password="x")
    people = {"dana": dana, "ann": ann, "iris": iris, "superuser": root}
    sender = browser(people[role]) if role in people else client
    sender.raise_request_exception = False
    key = ApiKey.objects.get()
    form = {
        "name": "changed",
        "is_enabled": "",
        "customer": str(key.customer_id),
        "owner": str(key.owner_id),
        "post": "yes",
        "action": "delete_selected",
        "_selected_action": str(key.pk),
        "_change_history": "1",
        "index": "0",
    }
    before = snapshot()

    reached = 0
    for route in addresses():
        # Signing out would make of all that follows a test that cannot fail.
        if not route.startswith(("/admin/", "/audit/")) or "/auth/" in route or "logout" in route:
            continue
        for method in METHODS:
            answer = getattr(sender, method)(filled(route, rows), form)
            assert answer.status_code < 500, (method, route)
            reached += answer.status_code in (200, 403, 404, 405)

    assert (reached > 100) == (role in ("ann", "iris", "superuser"))
    assert snapshot() == before


@pytest.mark.parametrize("identifier", ["1", "nothing", "{key}", "a/b"])
@pytest.mark.parametrize("model", [ApiKey, User])
def test_djangos_shortcut_to_the_page_of_a_row_leads_nowhere(
    model, identifier, first_key, browser, client
):
    root = User.objects.create_superuser("root", password="x")
    content_type = ContentType.objects.get_for_model(model)
    page = f"/admin/r/{content_type.pk}/{identifier.format(key=first_key.id)}/"

    assert browser(root).get(page).status_code == 404
    assert client.get(page).status_code == 404


@pytest.mark.parametrize(
    "model", ["apikeys/apikey", "approvals/approvalrequest", "approvals/policy"]
)
@pytest.mark.parametrize("method", METHODS)
def test_history_is_for_reading_only(model, method, rows, browser):
    root = User.objects.create_superuser("root", password="x")
    page = f"/admin/{model}/{rows[model]}/history/"

    assert browser(root).get(page).status_code == 200
    assert getattr(browser(root), method)(page).status_code == 405
