"""No row that the application's role can insert breaks a page, a list or an export."""

import re
from urllib.parse import quote
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User

from apikeys.models import ApiKey, Customer
from approvals.passkeys.models import Passkey
from audit.outside import outside_command
from tests.role.extremes import insert_extremes, insertable_tables
from tests.test_no_way_around import addresses

_FORMATS = ("csv", "jsonl", "cloudevents")
_LISTS = (
    *("/audit/?message_type=apikeys.update", "/audit/?q=first", "/audit/?reason=Because"),
    *("/audit/?subject=api-key:1", "/audit/?status=failed", "/audit/overview"),
    *("/audit/subscriptions", "/audit/processes"),
    *("/api/v2/events?order=log&limit=100", "/api/v2/events?limit=100"),
    *("/api/v2/commands?limit=100", "/api/v2/approval-requests?limit=100"),
    *("/requests/delegations/", "/requests/passkeys/", "/api/v2/delegations"),
    *("/api/v2/approval-requests?view=needs_my_vote", "/api/v2/policies", "/api/v2/api-keys"),
    *("/admin/approvals/approvalrequest/?tab=all", "/admin/approvals/approvalrequest/?tab=done"),
)
_FORMS = ("add/", "delete/", "logout", "set-password", "jsi18n", "password_change", "autocomplete")


def add_spares(root, table):
    """Insert what copies of a row that refers to another one of its own can refer to."""
    names = [f"spare {number}" for number in range(SPARES.get(table, 0))]
    with outside_command("Rows for a test"):
        User.objects.bulk_create(User(username=name) for name in names)
        Group.objects.bulk_create(Group(name=name) for name in names)
        spare = Customer.objects.bulk_create(Customer(name=name) for name in names)
        ApiKey.objects.bulk_create(ApiKey(customer=each, owner=root, name="x") for each in spare)
        if table == "approvals_passkeycounter":
            Passkey.objects.bulk_create(_passkey(root, name) for name in names)


def _passkey(person, name):
    return Passkey(
        user=person,
        name=name,
        credential_id=name,
        public_key="x",
        sign_count=0,
        command_id=UUID(int=0),
    )


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
        "audit_webhookendpoint": "endpoint_id",
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
    *("audit_streamhead", "audit_epoch", "audit_checkpoint", "audit_setback"),
    *("audit_processinstance", "audit_processtimer"),
    *("audit_webhookendpoint", "audit_webhookdelivery", "audit_webhookattempt"),
    *("audit_webhookoutage", "audit_transparencylog", "audit_leaf", "audit_treenode"),
    *("audit_signedcheckpoint", "audit_logkey", "audit_logwriter", "audit_publication"),
    *("approvals_policy", "approvals_rule", "approvals_policyseal"),
    *("audit_authenticator", "audit_recoverycode", "approvals_delegation"),
    *("approvals_passkey", "approvals_passkeycounter"),
    *("apikeys_apikey", "apikeys_apikeysecret", "apikeys_apikeyusage", "apikeys_pickup"),
    *("apikeys_customer", "apikeys_membership", "apikeys_allowance", "apikeys_keyname"),
    *("auth_user", "auth_user_groups", "auth_user_user_permissions"),
    *("auth_group", "auth_group_permissions"),
    *("django_admin_log", "django_session"),
    "notes_note",
)


#: How many rows to refer to there must be: more than there are extremes.
SPARES = {
    "apikeys_apikeyusage": 12,
    "apikeys_keyname": 12,
    "apikeys_membership": 3,
    "apikeys_pickup": 35,
    "approvals_passkeycounter": 20,
    "approvals_vote": 60,
    "audit_authenticator": 20,
    "auth_user_groups": 5,
    "auth_user_user_permissions": 5,
    "auth_group_permissions": 5,
}


#: Tables whose constraints, or triggers, refuse every extreme.
SOUND = ("audit_logwriter", "audit_webhookoutage")


def test_malformed_rows_are_tried_in_every_table():
    # Tables of an adopting project are read by its own pages.
    tables = [each for each in insertable_tables() if not each.startswith("articles_")]

    assert sorted([*OLDER, *OTHERS]) == sorted(tables)


@pytest.mark.sweep
@pytest.mark.parametrize("table", OLDER)
def test_no_row_from_before_the_constraints_breaks_a_reader(
    table, rows, without_constraints, reading
):
    assert_readable(table, rows, reading)


@pytest.mark.sweep
@pytest.mark.parametrize("table", OTHERS)
def test_no_other_row_that_the_role_can_insert_breaks_a_reader(table, rows, reading):
    assert_readable(table, rows, reading)


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

    assert bool(inserted) is (table not in SOUND)
    assert not failures, "\n".join([str(len(failures)), *failures[:400]])
