"""Lists in the admin: each row leads on, as far as its reader may follow, at the same cost."""

import html
import re

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import DisableApiKey
from apikeys.models import Membership
from audit.bus.dispatch import dispatch
from audit.models.records import CommandRecord
from tests.conftest import create_key, member

KEYS = "/admin/apikeys/apikey/"
LISTS = (
    KEYS,
    "/admin/apikeys/customer/",
    "/admin/apikeys/membership/",
    "/admin/audit/commandrecord/",
    "/admin/audit/eventrecord/",
)


@pytest.fixture
def reader(iris, browser):
    """Iris, who may see memberships as well."""
    iris.user_permissions.add(Permission.objects.get(codename="view_membership"))
    return browser(iris)


def page(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_key_leads_to_its_story_and_to_the_commands_about_it(first_key, reader):
    listed = page(reader, KEYS)

    assert f'href="/audit/subjects/api-key/{first_key.id}"' in listed
    assert f'href="/audit/?subject=api-key%3A{first_key.id}"' in listed


def test_a_list_of_several_pages_tells_which_rows_it_shows(dana, acme, reader, monkeypatch):
    for name in ("a", "b", "c"):
        create_key(dana, acme, name=name)
    assert "\n3 API keys" in page(reader, KEYS)
    monkeypatch.setattr("apikeys.admin.ApiKeyAdmin.list_per_page", 2)

    assert "1\N{EN DASH}2 of 3 API keys" in page(reader, KEYS)
    assert "3\N{EN DASH}3 of 3 API keys" in page(reader, f"{KEYS}?p=2")


def test_a_list_that_is_not_counted_to_its_end_tells_so(first_key, reader, monkeypatch):
    monkeypatch.setattr("audit.admin.NewestOnly.furthest", 2)
    monkeypatch.setattr("audit.admin.CommandRecordAdmin.list_per_page", 1)

    assert "1\N{EN DASH}1 of at least 2 commands" in page(reader, "/admin/audit/commandrecord/")


@pytest.mark.parametrize(
    ("path", "crumbs"),
    [
        ("apikeys/apikey/", "Home > API keys"),
        ("apikeys/apikey/{key}/change/", "Home > API keys > API key “first”"),
        ("apikeys/apikey/{key}/history/", "Home > API keys > API key “first” > History"),
        ("auth/user/", "Home > People"),
        ("auth/user/{user}/change/", "Home > People > iris"),
    ],
)
def test_each_page_has_one_name_in_the_breadcrumbs(path, crumbs, first_key, iris, reader):
    iris.user_permissions.add(Permission.objects.get(codename="view_user"))

    content = page(reader, f"/admin/{path.format(key=first_key.id, user=iris.pk)}")

    (found,) = re.findall(r'<div class="breadcrumbs">(.*?)</div>', content, re.DOTALL)
    text = " ".join(html.unescape(re.sub("<[^>]+>", "", found)).split())
    assert re.sub(r" \(.*?\)", "", text).replace("\u203a", ">") == crumbs


def test_who_may_not_read_the_log_is_led_nowhere_into_it(first_key, ann, browser):
    listed = page(browser(ann), KEYS)

    assert "first" in listed
    assert 'href="/audit/' not in listed
    assert 'href="/audit/' not in page(browser(ann), f"{KEYS}{first_key.id}/change/")


def test_a_record_leads_to_its_subject_its_command_its_case_and_its_actor(first_key, dana, reader):
    record = CommandRecord.objects.get(message_type="apikeys.create")

    listed = page(reader, "/admin/audit/commandrecord/")

    for path in (
        f"subjects/api-key/{first_key.id}",
        f"commands/{record.command_id}",
        f"cases/{record.correlation_id}",
        f"actors/user/{dana.pk}",
    ):
        assert f'href="/audit/{path}"' in listed
    assert "API key “first”" in listed


def test_who_may_see_events_only_is_led_no_further(first_key, acme, browser):
    watcher = member("will", acme, permissions=("view_eventrecord",), is_staff=True)

    listed = page(browser(watcher), "/admin/audit/eventrecord/")

    assert "API key “first”" in listed
    assert "/audit/subjects" not in listed
    assert "/audit/commands" not in listed


def test_the_page_of_a_key_tells_what_waits_for_approval_and_leads_there(
    first_key, dana, disabling_needs_two, context_of, reader
):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    shown = page(reader, f"{KEYS}{first_key.id}/change/")

    waiting = shown.partition("Waiting for approval")[2]
    assert "Disable API key" in waiting
    assert "/admin/approvals/approvalrequest/" in waiting


def test_memberships_are_those_of_ones_customers_and_cannot_be_changed(reader, dana, gus):
    listed = page(reader, "/admin/apikeys/membership/")
    membership = Membership.objects.get(user=gus)

    assert "dana" in listed
    assert "gus" not in listed
    assert "Globex" not in listed
    answer = reader.get(f"/admin/apikeys/membership/{membership.pk}/change/", follow=True)
    assert "Globex" not in answer.content.decode()
    own = Membership.objects.get(user=dana)
    assert reader.post(f"/admin/apikeys/membership/{own.pk}/delete/").status_code == 403


def test_a_customer_leads_to_its_keys_and_people(acme, reader):
    shown = page(reader, f"/admin/apikeys/customer/{acme.pk}/change/")

    assert f"{KEYS}?customer__id__exact={acme.pk}" in shown
    assert f"/admin/apikeys/membership/?customer__id__exact={acme.pk}" in shown
    assert page(reader, f"{KEYS}?customer__id__exact={acme.pk}")


def test_no_page_of_a_row_loads_a_script_that_the_policy_forbids(first_key, reader):
    shown = page(reader, f"{KEYS}{first_key.id}/change/")

    assert "jquery" not in shown
    assert "prepopulate" not in shown


@pytest.mark.parametrize("path", LISTS)
def test_a_list_asks_the_database_no_more_for_more_rows(path, first_key, dana, acme, reader):
    reader.get(path)
    with CaptureQueriesContext(connection) as few:
        page(reader, path)
    for name in ("second", "third", "fourth"):
        create_key(dana, acme, name=name)
        member(f"{name}-person", acme)

    with CaptureQueriesContext(connection) as many:
        page(reader, path)

    assert len(many) == len(few) <= 12
