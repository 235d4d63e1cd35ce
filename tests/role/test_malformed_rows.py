"""No row that the application's role can insert breaks a page, a list or an export."""

import re
from contextlib import suppress
from datetime import timedelta
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import Error, connection, transaction
from django.test import Client
from django.utils import timezone

from apikeys.commands import DisableApiKey, RotateApiKey, UpdateApiKey
from apikeys.models import ApiKey, Customer
from apikeys.models.secrets import PickUp
from apikeys.models.tokens import Token
from apikeys.models.usage import ApiKeyUsage
from approvals.models import Policy
from audit.entry import rate_limits
from audit.entry.rate_limits import Limit
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from tests.conftest import approved, completed, create_key, held
from tests.notes.models import Note
from tests.role.extremes import EXTREMES, insert_extremes, insertable_tables
from tests.test_no_way_around import addresses

_FORMATS = ("csv", "jsonl", "cloudevents")
_LISTS = (
    *("/audit/?type=apikeys.update", "/audit/?q=first", "/audit/?reason=Because"),
    *("/audit/?subject=api-key:1", "/audit/?status=failed", "/audit/overview"),
    *("/api/v2/events?order=log&limit=100", "/api/v2/events?limit=100"),
    *("/api/v2/commands?limit=100", "/api/v2/approval-requests?limit=100"),
    *("/api/v2/approval-requests?view=needs_my_vote", "/api/v2/policies", "/api/v2/api-keys"),
    *("/admin/approvals/approvalrequest/?tab=all", "/admin/approvals/approvalrequest/?tab=done"),
)
_FORMS = ("add/", "delete/", "logout", "set-password", "jsi18n", "password_change", "autocomplete")


@pytest.fixture
def root(acme, security):
    """A superuser who is an approver, too: sees every row, and is asked for votes."""
    person = User.objects.create_superuser("root", password="x")
    person.groups.add(security)
    return person


@pytest.fixture
def reading(root, browser, settings):
    """A function that reads an address and what follows it; returns the failures."""
    # Malformed rows cannot conform to the OpenAPI document.
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "conformance" not in each]
    client = browser(root)

    def read(address, **data):
        failures, seen = [], set()
        while address and address not in seen and len(seen) < 5:
            seen.add(address)
            failure, answer = _attempt(client, address, data)
            failures += failure
            address = _following(answer, address)
        return failures

    return read


def _attempt(client, address, data):
    try:
        answer = client.post(address, data) if data else client.get(address)
        content = b"".join(answer) if answer.streaming else answer.content
    except Exception as error:  # noqa: BLE001  # whatever a reader raises would be a 500
        return [f"{address[:200]}: {type(error).__name__}: {str(error)[:200]}"], None
    return ([f"{address}: {answer.status_code}"] if answer.status_code >= 500 else []), (
        answer,
        content,
    )


def _following(found, address):
    """The address of the next page of a list."""
    if found is None:
        return None
    answer, content = found
    if answer.headers.get("Content-Type") == "application/json":
        body = answer.json()
        return body.get("next") if isinstance(body, dict) else None
    older = re.search(rb'href="(\?[^"]*(?:before|p)=[^"]*)" rel="next"', content)
    return (
        f"{address.partition('?')[0]}{older[1].decode().replace('&amp;', '&')}" if older else None
    )


@pytest.fixture
def rows(first_key, disabling_needs_two, dana, ann, iris, root, context_of, policy_owners):
    """A row in every table that tests can fill with commands."""
    second = create_key(dana, first_key.row.customer, name="second")
    reason = {"reason": "Because"}
    completed(
        UpdateApiKey(api_key_id=first_key.id, description="new"), context=context_of(dana, **reason)
    )
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana, **reason))
    held(DisableApiKey(api_key_id=second.id), context=context_of(dana, **reason))
    approved(request, ann)
    fill_other_tables(root, second, first_key)
    return {
        "audit/commandrecord": CommandRecord.objects.latest("position").pk,
        "audit/eventrecord": EventRecord.objects.latest("position").pk,
        "approvals/approvalrequest": request.pk,
        "approvals/policy": Policy.objects.first().pk,
        "apikeys/apikey": first_key.id,
        "apikeys/customer": first_key.row.customer_id,
        "auth/user": dana.pk,
        "auth/group": ann.groups.get().pk,
        "command_id": request.command_id,
        "correlation_id": request.command_id,
        "api_key_id": first_key.id,
        "approval_request_id": request.pk,
        "policy_id": Policy.objects.first().pk,
        "subject_type": "api-key",
        "subject_id": first_key.id,
        "kind": "user",
        "actor_id": dana.pk,
    }


def fill_other_tables(root, *keys):
    """Insert rows into the tables that nothing above fills."""
    for key in keys:
        completed(RotateApiKey(api_key_id=key.id, overlap_seconds=3600))
    rate_limits.take("address:192.0.2.7", Limit(5, 60), policy="sign-in")
    LogEntry.objects.create(user=root, action_flag=1, object_repr="x", change_message="[]")
    with outside_command("Rows for a test"):
        Group.objects.first().permissions.set(Permission.objects.all()[:1])
        ApiKeyUsage.objects.create(api_key_id=keys[0].id, last_used_at=timezone.now())
        PickUp.objects.create(
            api_key_id=keys[0].id,
            actor_kind="user",
            actor_id=root.pk,
            actor_label="root",
            until=timezone.now() + timedelta(days=1),
        )
        Note.objects.create(id=uuid4(), text="x")


def add_spares(root, table):
    """Insert what copies of a row that refers to another one of its own can refer to."""
    names = [f"spare {number}" for number in range(SPARES.get(table, 0))]
    with outside_command("Rows for a test"):
        User.objects.bulk_create(User(username=name) for name in names)
        Group.objects.bulk_create(Group(name=name) for name in names)
        spare = Customer.objects.bulk_create(Customer(name=name) for name in names)
        ApiKey.objects.bulk_create(ApiKey(customer=each, owner=root, name="x") for each in spare)


def pages(found):
    """Every address that can be read, with these ids."""
    for route in addresses():
        if route.startswith(("/admin/", "/audit/", "/api/")):
            filled = re.sub(r"<\w+:(\w+)>|\(\[\^/\]\+\)", _value(route, found), route)
            if "(" not in filled and not any(each in filled for each in _FORMS):
                yield re.sub(r"[$^]", "", filled)


def _value(route, found):
    table = re.match(r"/admin/(\w+/\w+)/", route)
    row = found.get(table[1], 1) if table else 1
    values = iter([row, 1])

    def value(match):
        return quote(str(found.get(match[1], row) if match[1] else next(values)), safe="")

    return value


def ids(table, row):
    """The ids in a row, by the names that routes give them."""
    found = {name: row[name] for name in row if name.endswith("_id") or name == "subject_type"}
    label = table.replace("_", "/", 1)
    key = row.get("position") or row.get("id")
    found |= {label: key, "kind": row.get("actor_kind", "user")}
    names = {
        "approvals_approvalrequest": "approval_request_id",
        "approvals_policy": "policy_id",
        "apikeys_apikey": "api_key_id",
    }
    if "request_id" in row:
        found["approval_request_id"] = found["approvals/approvalrequest"] = row["request_id"]
    return found | ({names[table]: key} if table in names else {})


def own_pages(table, row):
    """The addresses about a row itself."""
    found = ids(table, row)
    plain = {f"{each}" for each in pages({})}
    return [each for each in pages(found) if each not in plain]


#: Tables of records, requests and votes. Older rows may violate their constraints.
OLDER = (
    *("audit_commandrecord", "audit_eventrecord"),
    *("approvals_approvalrequest", "approvals_vote"),
)
OTHERS = (
    *("audit_streamhead", "audit_epoch"),
    *("approvals_policy", "approvals_rule", "approvals_policyseal"),
    *("approvals_historicalpolicy", "approvals_historicalrule"),
    "approvals_historicalapprovalrequest",
    *("apikeys_apikey", "apikeys_apikeysecret", "apikeys_apikeyusage", "apikeys_pickup"),
    *("apikeys_customer", "apikeys_membership", "apikeys_allowance"),
    *("apikeys_historicalapikey", "apikeys_historicalapikeysecret", "apikeys_historicalpickup"),
    *("apikeys_historicalcustomer", "apikeys_historicalmembership"),
    *("auth_user", "auth_user_groups", "auth_user_user_permissions"),
    *("auth_group", "auth_group_permissions"),
    *("django_admin_log", "django_session"),
    *("notes_note", "notes_historicalnote"),
)


#: How many rows to refer to there must be: more than there are extremes.
SPARES = {
    "apikeys_apikeyusage": 12,
    "apikeys_membership": 3,
    "apikeys_pickup": 35,
    "approvals_vote": 60,
    "auth_user_groups": 5,
    "auth_user_user_permissions": 5,
    "auth_group_permissions": 5,
}


def test_malformed_rows_are_tried_in_every_table():
    assert sorted([*OLDER, *OTHERS]) == sorted(insertable_tables())


@pytest.mark.parametrize("table", OLDER)
def test_no_row_from_before_the_constraints_breaks_a_reader(
    table, rows, without_constraints, reading
):
    assert_readable(table, rows, reading)


@pytest.mark.parametrize("table", OTHERS)
def test_no_other_row_that_the_role_can_insert_breaks_a_reader(table, rows, reading):
    assert_readable(table, rows, reading)


def test_no_session_that_the_role_can_insert_breaks_a_page(rows, reading):
    failures, inserted = [], list(insert_extremes("django_session"))
    for each in inserted:
        cookie = f"sessionid={each.row['session_key']}".encode().decode("latin-1")
        client = Client(headers={"Cookie": cookie})
        failures += [f"{each.column} {found}" for found in _attempt(client, "/admin/", {})[0]]

    assert inserted
    assert not failures, "\n".join(failures)


def test_no_key_that_the_role_can_insert_breaks_its_authentication(rows, reading):
    tokens = {
        f"{each.column} = {each.value[:40]}": with_secret(each.row["id"])
        for each in insert_extremes("apikeys_apikey")
    }

    assert tokens
    assert_authenticates(tokens)


def test_a_key_whose_networks_are_malformed_may_be_used_from_nowhere(rows, reading):
    tokens = {
        each.value: with_secret(each.row["id"])
        for each in insert_extremes("apikeys_apikey")
        if each.column == "allowed_networks" and each.value != "{}"
    }

    statuses = {
        value: Client(headers={"Authorization": f"Bearer {text}"}).get("/api/v2/whoami").status_code
        for value, text in tokens.items()
    }

    assert len(statuses) >= 4
    assert statuses == dict.fromkeys(statuses, 401)


@pytest.mark.parametrize("column", ["created_at", "not_after"])
def test_no_secret_that_the_role_can_insert_breaks_its_authentication(
    rows, reading, first_key, column
):
    tokens = {}
    for value in EXTREMES["timestamp with time zone"]:
        with suppress(Error), transaction.atomic():
            tokens[value] = with_secret(first_key.id, **{column: value})

    assert tokens
    assert_authenticates(tokens)


def with_secret(api_key_id, created_at="2026-01-01+00", not_after="2100-01-01+00"):
    """Insert a secret of a key, and return it."""
    token = Token.generate()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', 'x', true)")
        cursor.execute(
            "INSERT INTO apikeys_apikeysecret (id, digest, created_at, not_after, api_key_id)"
            " VALUES (gen_random_uuid(), %s, %s, %s, %s)",
            [token.digest, created_at, not_after, api_key_id],
        )
    return token.text


def assert_authenticates(tokens):
    """Call the API with each secret, and fail if any of these calls ends in an error of ours."""
    failures = []
    for row, text in tokens.items():
        client = Client(headers={"Authorization": f"Bearer {text}"})
        for address in ("/api/v2/whoami", "/api/v2/api-keys", "/api/v1/api-keys"):
            failures += [f"{row} {found}" for found in _attempt(client, address, {})[0]]

    assert not failures, "\n".join(failures)


def assert_readable(table, rows, reading):
    """Insert the extremes of each column; read every page, list and export, and the rows' own."""
    add_spares(User.objects.get(username="root"), table)
    inserted = list(insert_extremes(table))
    own = {page: each for each in inserted for page in own_pages(table, each.row)}

    failures = [each for address in [*pages(rows), *_LISTS] for each in reading(address)]
    for name in _FORMATS:
        failures += reading("/audit/export", format=name, reason="Because")
    for page, each in own.items():
        failures += [f"{each.column}={each.value[:40]!r} {found}" for found in reading(page)]

    assert inserted
    assert not failures, "\n".join([str(len(failures)), *failures[:400]])
