"""Lists of the admin: no parameter but those of its filters changes which rows are shown."""

import re
from collections.abc import Iterator
from itertools import cycle
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey, Membership
from approvals.models import ApprovalRequest
from audit.admin import CommandRecordAdmin
from audit.models.records import CommandRecord
from audit.pages.admin import ReadOnlyAdmin
from tests.conftest import PASSWORD, held, member
from tests.webhooks import create_delivery, create_endpoint

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
of_every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
LOOKUPS = ("", "__exact", "__startswith", "__iregex", "__gt", "__isnull", "__year", "__in", "__0")
LEVELS = 3
# The parameters of each list's filters: nothing else filters.
DECLARED = {
    "apikeys.ApiKey": {
        *("is_enabled__exact", "is_enabled__isnull", "environment__exact", "environment__isnull"),
        "customer__id__exact",
    },
    "approvals.ApprovalRequest": {"tab", "type", "group", "customer", "state", "age", "after"},
    "apikeys.Membership": {"customer__id__exact", "user__id__exact"},
    "approvals.Policy": {
        *("is_enabled__exact", "is_enabled__isnull", "effect__exact", "effect__isnull")
    },
    "audit.CommandRecord": {"status__exact", "status__isnull", "channel"},
    "audit.WebhookDelivery": {"state__exact", "state__isnull"},
    "audit.WebhookEndpoint": {"is_enabled__exact", "is_enabled__isnull"},
    "auth.User": {
        *("is_active__exact", "is_staff__exact", "is_superuser__exact", "groups__id__exact"),
        *("is_active__isnull", "is_staff__isnull", "is_superuser__isnull"),
        "groups__isnull",
    },
}
HOSTILE = (
    *(
        "",
        "a",
        "0",
        "-1",
        "1e9",
        "1" * 30,
        "9" * 5_000,
        "%00",
        "%ED%A0%80",
        "%FF",
        "[]",
        "%7B%7D",
        "٣",
    ),
    *("a" * 5_000, "1,2", "1&{name}=a", "2026-13-01", "' OR 1=1 --", "<script>"),
)
PARAMETERS = ("q", "o", "p", "e", "all", "_facets", "_popup", "_to_field", "_changelist_filters")
MALFORMED = (
    *("o=a", "o=-", "o=1.", "o=1..2", "p=a", "p=0", "p=-1", "p=1.5", "q=%00", "_to_field=x"),
    *("id=a", "pk__gt=1", "no_such=1", "fingerprint__startswith=a", "password__startswith=a"),
    *("received_at__year=x", "received_at__gte=never", "date_joined__date=2026-13-01"),
)


@pytest.fixture
def rows(first_key, disabling_needs_two, policy_owners, dana, context_of, acme):
    """At least one row of each model."""
    create_delivery(create_endpoint(acme))
    held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))


@pytest.fixture
def client(acme, browser):
    """A superuser's client: may see every list."""
    root = member("root", acme, is_staff=True)
    User.objects.filter(pk=root.pk).update(is_superuser=True)
    signed_in = browser(root)
    signed_in.raise_request_exception = False
    return signed_in


def list_of(model: type[Model]) -> str:
    """Return the URL of a list; of the inbox, the URL of the tab with the open request."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{url}?{'tab=watching' if model is ApprovalRequest else 'q='}"


def paths(model: Any, levels: int) -> Iterator[str]:
    """Yield the name of every field, and of every field of related models, as a lookup."""
    yield "pk"
    for field in model._meta.get_fields(include_hidden=True):
        yield field.name
        if field.related_model and levels > 1:
            yield from (f"{field.name}__{path}" for path in paths(field.related_model, levels - 1))


def shown(client: Client, url: str) -> list[str]:
    """Return the rows that a list shows; none if it refuses the request."""
    answer = client.get(url)
    assert answer.status_code in (200, 400), (url, answer.status_code)
    return re.findall(r'href="(/admin/[^"]+/change/)', answer.content.decode())


@pytest.mark.sweep
@of_every_model
def test_no_field_of_any_model_is_a_lookup_unless_it_is_declared(model, rows, client):
    url, everything = list_of(model), shown(client, list_of(model))
    declared = DECLARED.get(model._meta.label, ())
    lookups = {path + lookup for path in paths(model, 1) for lookup in LOOKUPS}
    related = sorted(set(paths(model, LEVELS)))
    lookups |= {path + lookup for path, lookup in zip(related, cycle(LOOKUPS), strict=False)}

    for lookup in sorted(lookups.difference(declared)):
        assert shown(client, f"{url}&{lookup}=x") in ([], everything), lookup
    assert everything


def test_every_admin_class_refuses_lookups():
    for model, model_admin in admin.site._registry.items():
        assert isinstance(model_admin, ReadOnlyAdmin), model


@pytest.mark.sweep
@of_every_model
def test_no_value_of_a_parameter_is_a_server_error(model, rows, client):
    for name in (*PARAMETERS, *DECLARED.get(model._meta.label, ())):
        for value in HOSTILE:
            answer = client.get(f"{list_of(model)}&{name}={value.format(name=name)}")
            assert answer.status_code in (200, 400), (name, value, answer.status_code)


@of_every_model
def test_malformed_and_undeclared_parameters_are_bad_requests(model, rows, client):
    statuses = {query: client.get(f"{list_of(model)}&{query}").status_code for query in MALFORMED}

    assert statuses == dict.fromkeys(MALFORMED, 400)


def test_declared_parameters_search_sort_and_filter(rows, client, ann, bob):
    url = list_of(User)

    by_search, by_filter = (shown(client, f"{url}{each}") for each in ("ann", "&is_staff__exact=0"))
    ascending, descending = (shown(client, f"{url}&o={order}&all=") for order in ("1.2", "-1.2"))

    assert by_search == [f"/admin/auth/user/{ann.pk}/change/"]
    assert f"/admin/auth/user/{ann.pk}/change/" not in by_filter
    assert ascending == descending[::-1] != []


def test_a_filter_applies_to_a_related_row_that_has_none(rows, client, globex, gus):
    keys, memberships = list_of(ApiKey), list_of(Membership)
    outsider = User.objects.create_user("rita")

    assert shown(client, f"{keys}&customer__id__exact={globex.pk}") == []
    assert shown(client, f"{memberships}&user__id__exact={outsider.pk}") == []
    assert len(shown(client, f"{memberships}&user__id__exact={gus.pk}")) == 1


def test_a_date_hierarchy_declares_its_lookups_and_no_others(rows, client, monkeypatch):
    monkeypatch.setattr(CommandRecordAdmin, "date_hierarchy", "received_at")
    url, today = list_of(CommandRecord), timezone.now()
    everything = shown(client, url)

    statuses = {
        query: client.get(f"{url}&received_at__{query}").status_code
        for query in ("year=9999", "year=99999", "year=x", "day=x", "startswith=2", "hour=3")
    }

    assert shown(client, f"{url}&received_at__year={today.year}") == everything != []
    assert shown(client, f"{url}&received_at__year=2001") == []
    assert set(statuses.values()) == {400}, statuses


@pytest.mark.sweep
@of_every_model
def test_an_id_that_is_invalid_is_not_found(model, rows, client):
    url = list_of(model).partition("?")[0]

    for pk in ("no-uuid", "0", "-1", "9" * 30, "%00", "_00", "%ED%A0%80", "a" * 5_000, ".."):
        for page in ("", "change/", "history/", "history/1/", "edit/", "disable/", "try/"):
            answer = client.get(f"{url}{pk}/{page}", follow=True)
            assert answer.status_code == 404, (pk, page, answer.status_code)


def test_the_page_of_a_row_is_found_by_no_type(client):
    for path in ("r/1/1/", "r/", "r/x/y/", "r/1/%00/", "r/" + "9" * 30 + "/1/"):
        assert client.get(f"/admin/{path}").status_code == 404, path


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_signing_in_leads_to_the_start_page_instead_of_another_site(acme, url):
    member("root", acme, is_staff=True)
    given = {"username": "root", "password": PASSWORD, "next": url}

    answer = Client().post("/admin/login/", given)

    assert answer.status_code == 302
    assert answer["Location"] == "/"
