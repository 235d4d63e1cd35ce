"""Confinement to tenants: nothing of another customer shows, on any page or list."""

import ast
import json
import re
from datetime import UTC, datetime
from itertools import product
from uuid import uuid4

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission, User

from apikeys.commands import CreateCustomer, DisableApiKey, UpdateApiKey
from apikeys.models import Membership
from approvals.decisions.commands import Approve
from approvals.models import Policy
from audit.models.records import CommandRecord, EventRecord
from tests.approvals.delegating import delegated
from tests.conformance import document, resolved
from tests.conftest import completed, create_key, held, member, policy
from tests.http import call
from tests.test_no_way_around import addresses
from tests.webhooks import create_delivery, create_endpoint

#: Part of every name and reason of the other customer.
MARK = "zorblax"
#: Where an actor's tenants are read, and why there: everything else asks `Actor.confine`.
READS_TENANTS = {
    "audit/actors/actors.py": "defines them",
    "audit/log/search/criteria.py": "Criteria.seen_by confines a search, which is SQL of its own",
    "audit/log/search/activity.py": "reads those of the Criteria",
    "audit/log/search/full_text.py": "reads those of the Criteria",
    "audit/log/search/scans.py": "reads those of the Criteria",
    "audit/log/visibility.py": "conditions for a union of index scans, one for each tenant",
    "approvals/pages/reports/filters.py": "chooses one for a reader who sees only some",
    "approvals/requests/listing.py": "the key under which a confined query is kept",
    "audit/rest/callers.py": "shows callers their own",
}
#: Forms.
SKIPPED = (
    "new/",
    "edit/",
    "add/",
    "logout",
    "set-password",
    "jsi18n",
    "password_change",
    "password/",
)
#: None of them is met by a missing resource; RFC 9110 would have some answered with 412.
CONDITIONS = [{}, {"If_Match": '"7-ab", W/"1"'}, {"If_Match": "*"}, {"If_None_Match": "*"}]
#: Required fields with a certain form.
VALUES = {
    "governs": "apikeys.disable",
    "name": "ci",
    "overlap_seconds": 0,
    "since": datetime.now(UTC).isoformat(timespec="seconds"),
}
#: Operations that are given an id elsewhere than in their path.
ELSEWHERE = [
    ("POST", "/api/v2/api-keys", {"name": "ci", "customer_id": "{apikeys/customer}"}),
    (
        "POST",
        "/api/v2/policies",
        {"governs": "apikeys.*", "effect": "allow", "tenant": "{apikeys/customer}"},
    ),
    (
        "POST",
        "/api/v2/webhook-endpoints",
        {"destination": "https://hooks.example/in", "tenant": "{apikeys/customer}"},
    ),
    ("GET", "/api/v2/commands?subject=api-key:{api_key_id}", None),
    ("GET", "/api/v2/commands?correlation_id={command_id}", None),
    ("GET", "/api/v2/events?subject=approval-request:{approval_request_id}", None),
    ("GET", "/api/v2/events?command_id={command_id}", None),
    ("GET", "/api/v2/approval-requests?subject=api-key:{api_key_id}", None),
]
#: Different in each response, or about the caller only.
OF_EACH = {"Command-Id", "X-Request-Id", "RateLimit", "RateLimit-Policy"}


def everything():
    """All that permissions allow, except to see every customer."""
    permissions = Permission.objects.exclude(codename="view_every_tenant")
    return tuple(permissions.values_list("codename", flat=True))


@pytest.fixture
def other(context_of):
    """Another customer, with rows in every table that belongs to customers."""
    customer = completed(CreateCustomer(name=f"{MARK} Ltd"))
    zed = member("zed", customer, permissions=everything())
    approvers = apps.get_model("auth.Group").objects.create(name="Approvers of the other")
    # Where policies require both groups, two members of each see this customer.
    security = apps.get_model("auth.Group").objects.get_or_create(name="Security")[0]
    voter, *_ = (
        member(name, customer, groups=[group], permissions=everything(), is_staff=True)
        for name, group in zip(
            ("vera", "vince", "sven", "sara"),
            (approvers, approvers, security, security),
            strict=True,
        )
    )
    tenant, condition = str(customer.pk), f'context.reason != "{MARK}"'
    policy("apikeys.disable", group=approvers, quorum=2, tenant=tenant, condition=condition)
    key = create_key(zed, customer, name=f"{MARK} key")
    update = UpdateApiKey(api_key_id=key.id, description=f"{MARK} description")
    completed(update, context=context_of(zed, reason=f"{MARK} update"))
    command = DisableApiKey(api_key_id=key.id)
    request = held(command, context=context_of(zed, reason=f"{MARK} reason"))
    vote = Approve(approval_request_id=request.pk, digest=request.digest)
    completed(vote, context=context_of(voter, reason=f"{MARK} vote"))
    return ids(customer, key, request=request, policy=Policy.objects.get(tenant=tenant), person=zed)


@pytest.fixture
def own(acme, disabling_needs_two, context_of, first_key, dana):
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    return ids(acme, first_key, request=request, policy=Policy.objects.get(), person=dana)


@pytest.fixture
def insider(acme):
    """Belongs to Acme, and may do there all that permissions allow."""
    return member("ida", acme, permissions=everything(), is_staff=True)


def ids(customer, key, *, request, policy, person):
    """The ids that belong to a customer, by the names that routes give them."""
    destination = f"https://hooks.example/{customer.name.partition(' ')[0]}"
    delivery = create_delivery(create_endpoint(customer, destination=destination))
    of_customer = User.objects.filter(membership__customer=customer, groups__isnull=False)
    delegator, delegate = of_customer.order_by("pk").distinct()[:2]
    delegation = delegated(delegator, delegate, groups=delegator.groups.all())
    return {
        "apikeys/customer": customer.pk,
        "apikeys/membership": Membership.objects.filter(customer=customer).first().pk,
        "apikeys/apikey": key.id,
        "approvals/policy": policy.pk,
        "approvals/approvalrequest": request.pk,
        "audit/commandrecord": CommandRecord.objects.get(
            command_id=request.command_id, attempt=1
        ).pk,
        "audit/eventrecord": EventRecord.objects.filter(tenant=str(customer.pk)).first().pk,
        "command_id": request.command_id,
        "correlation_id": request.command_id,
        "api_key_id": key.id,
        "approval_request_id": request.pk,
        "policy_id": policy.pk,
        "endpoint_id": delivery.endpoint_id,
        "event_id": delivery.event_id,
        "delegation_id": delegation.pk,
        "subject_type": "api-key",
        "subject_id": key.id,
        "kind": "user",
        "actor_id": person.pk,
    }


def pages(found):
    """Every address that can be read, with the ids of one customer."""
    for route in addresses():
        if route.startswith(("/admin/", "/audit/", "/api/")) and "/auth/" not in route:
            filled = re.sub(r"<\w+:(\w+)>|\(\[\^/\]\+\)", _value(route, found), route)
            if "(" not in filled and not any(each in filled for each in SKIPPED):
                yield re.sub(r"[$^]", "", filled)


def _value(route, found):
    """What stands in a route, where pages of the admin call every row object_id."""
    table = re.match(r"/admin/(\w+/\w+)/", route)
    row = found.get(table[1], 1) if table else 1
    values = iter([row, 1])

    def value(match):
        return str(found.get(match[1], row) if match[1] else next(values))

    return value


def shows(client, found, **headers):
    """The addresses at which something of the other customer shows."""
    showing = set()
    for address in pages(found):
        answer = client.get(address, headers=headers)
        assert answer.status_code < 500, address
        content = b"".join(answer) if answer.streaming else answer.content
        if MARK in content.decode().lower():
            showing.add(address)
    return showing


def test_every_table_that_belongs_to_customers_has_rows_of_the_other(other):
    tenant = other["apikeys/customer"]

    for model in apps.get_models():
        names = {field.name for field in model._meta.get_fields()}
        if "tenant" in names and model._meta.app_label not in ("notes", "boards"):
            assert model._base_manager.filter(tenant=str(tenant)).exists(), model
        if "customer" in names and model._meta.concrete_model is model:
            assert model._base_manager.filter(customer=tenant).exists(), model


@pytest.mark.sweep
def test_nothing_of_another_customer_shows_to_a_person(own, other, insider, browser):
    client = browser(insider)

    assert not shows(client, own)
    assert not shows(client, other)


@pytest.mark.sweep
def test_nothing_of_another_customer_shows_to_a_key(own, other, insider, acme, client):
    scopes = ("read", "write", "keys:verify")
    key = create_key(insider, acme, name="insider", scopes=scopes)

    assert not shows(client, own, **key.headers)
    assert not shows(client, other, **key.headers)


@pytest.mark.sweep
def test_the_same_pages_show_it_to_those_who_see_every_customer(own, other, browser):
    root = User.objects.create_superuser("root", password="x")

    showing = shows(browser(root), own) | shows(browser(root), other)

    assert len(showing) > 25, sorted(showing)


def test_only_confine_reads_the_tenants_of_an_actor():
    reading = {
        str(path.relative_to(settings.BASE_DIR))
        for app in ("audit", "approvals", "apikeys", "config")
        for path in (settings.BASE_DIR / app).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "tenants"
    }

    assert reading == set(READS_TENANTS)


def operations():
    # First, while the caller has sent nothing that could be found.
    yield from ELSEWHERE
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            if path.startswith("/api/v2/") and "{" in path:
                yield method.upper(), path, body_of(operation)


def body_of(operation):
    """A valid body, of the required fields."""
    if "requestBody" not in operation:
        return None
    content = resolved(operation["requestBody"])["content"]["application/json"]
    schema = resolved(content["schema"])
    # Where no field is required, one has to be given.
    names = schema["properties"].keys()
    wanted = schema.get("required") or {"name"} & names or {"description"} & names
    return {name: VALUES.get(name, "x" * 64) for name in wanted}


@pytest.mark.sweep
def test_what_is_hidden_is_answered_like_what_is_missing(own, other, insider, browser):
    client, nothing = browser(insider), dict.fromkeys(other, uuid4())
    for (method, path, body), condition in product(operations(), CONDITIONS):
        for is_tried in (False,) if method == "GET" or condition else (False, True):
            hidden, missing = (
                answer(client, method, path, body, found, is_tried=is_tried, **condition)
                for found in (other, nothing)
            )
            assert hidden == missing, (method, path, condition)
            if "{" in path.partition("?")[0] and not is_tried:
                assert hidden[0] == 404, (method, path, condition)


def answer(client, method, path, body, ids, *, is_tried, **condition):
    """Status, headers and body of a response, without the ids that the request names."""
    filled = re.sub(r"\{([\w/]+)\}", lambda match: str(ids[match[1]]), path)
    sent = body and json.loads(
        re.sub(r"\{([\w/]+)\}", lambda match: str(ids[match[1]]), json.dumps(body))
    )
    if is_tried:
        filled += "?dry_run=true"
    response = call(client, method, filled, sent, **condition)
    assert response.status_code < 500, response.content
    headers = {name: value for name, value in response.headers.items() if name not in OF_EACH}
    text = response.content.decode()
    for each in (response.get("Command-Id"), response.get("X-Request-Id")):
        text = text.replace(each or "no id", "…")
    return response.status_code, headers, text
