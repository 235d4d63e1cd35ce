"""No row that the application's role can insert breaks a page, a list or an export."""

import re
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User

from apikeys.commands import DisableApiKey, UpdateApiKey
from approvals.models import Policy
from audit.models.records import CommandRecord, EventRecord
from tests.conftest import approved, completed, create_key, held
from tests.role.extremes import insert_extremes
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
    return found | ({names[table]: key} if table in names else {})


def own_pages(table, row):
    """The addresses about a row itself."""
    found = ids(table, row)
    plain = {f"{each}" for each in pages({})}
    return [each for each in pages(found) if each not in plain]


#: Tables of records, requests and votes. Older rows may violate their constraints.
OLDER = ("audit_commandrecord", "audit_eventrecord", "approvals_approvalrequest")
OTHERS = (
    *("audit_streamhead", "approvals_policy", "approvals_rule"),
    *("apikeys_apikey", "apikeys_customer"),
    *("apikeys_historicalapikey", "approvals_historicalpolicy"),
    *("approvals_historicalapprovalrequest", "auth_user", "auth_group"),
)


@pytest.mark.parametrize("table", OLDER)
def test_no_row_from_before_the_constraints_breaks_a_reader(
    table, rows, without_constraints, reading
):
    assert_readable(table, rows, reading)


@pytest.mark.parametrize("table", OTHERS)
def test_no_other_row_that_the_role_can_insert_breaks_a_reader(table, rows, reading):
    assert_readable(table, rows, reading)


def assert_readable(table, rows, reading):
    """Insert the extremes of each column; read every page, list and export, and the rows' own."""
    inserted = list(insert_extremes(table))
    own = {page: each for each in inserted for page in own_pages(table, each.row)}

    failures = [each for address in [*pages(rows), *_LISTS] for each in reading(address)]
    for name in _FORMATS:
        failures += reading("/audit/export", format=name, reason="Because")
    for page, each in own.items():
        failures += [f"{each.column}={each.value[:40]!r} {found}" for found in reading(page)]

    assert inserted
    assert not failures, "\n".join([str(len(failures)), *failures[:400]])
