"""The page of eligible approvers, and its file."""

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from audit.models.records import CommandRecord
from tests.conftest import member

PAGE = "/audit/approvers"
EXPORT = f"{PAGE}/export"


@pytest.fixture
def auditor(acme):
    """Sees every customer, and may export."""
    user = member("olaf", acme, is_staff=True)
    names = ("view_commandrecord", "view_every_tenant", "export_commandrecord")
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return user


def people(page):
    return [line.person for line, _ in page.context["lines"]]


def test_it_shows_who_could_approve_and_why(disabling_needs_two, acme, auditor, browser):
    asked = {"command": "apikeys.disable", "tenant": str(acme.pk)}

    page = browser(auditor).get(PAGE, asked)
    content = page.content.decode()

    assert people(page) == ["ann", "bob"]
    assert "2 of Security" in content
    assert "member; no command that added the person is recorded" in content
    assert "No command is recorded that added" in content
    assert f'href="{PAGE}"' in browser(auditor).get("/audit/overview").content.decode()


def test_a_person_and_a_period_can_be_chosen(disabling_needs_two, ann, auditor, browser):
    since = (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%d")

    page = browser(auditor).get(PAGE, {"person": "ann", "since": since})

    assert set(people(page)) == {"ann"}
    assert "still" in page.content.decode()


def test_a_reader_of_one_customer_sees_that_one_only(
    disabling_needs_two, acme, globex, iris, browser
):
    page = browser(iris).get(PAGE, {"command": "apikeys.disable"})
    other = browser(iris).get(PAGE, {"tenant": str(globex.pk)})

    assert {line.tenant for line, _ in page.context["lines"]} == {str(acme.pk)}
    assert "You see Acme" in page.content.decode()
    assert "lines" not in other.context
    assert str(globex) not in other.content.decode()


def test_without_permission_it_is_not_shown(dana, browser):
    assert browser(dana).get(PAGE).status_code == 403


@pytest.mark.parametrize(
    "asked",
    [
        {"person": "no one"},
        {"command": "no.such"},
        {"at": "never"},
        {"at": "9999-01-01"},
        {"since": "2026-01-02", "until": "2026-01-01"},
        {"until": "2026-01-01"},
        {"at": "2026-01-01", "since": "2026-01-01"},
        {"tenant": "x"},
        {"person": "\u0660"},
    ],
)
def test_an_invalid_filter_is_explained(auditor, browser, asked):
    page = browser(auditor).get(PAGE, asked)

    assert page.status_code == 200
    assert "errorlist" in page.content.decode()
    assert browser(auditor).get(PAGE, {"colour": "red"}).status_code == 400


def test_the_file_is_logged_and_inert(disabling_needs_two, acme, ann, auditor, browser):
    ann.username = "=1+1"
    ann.save()
    query = f"?command=apikeys.disable&tenant={acme.pk}"
    reason = {"reason": "Audit of March"}

    table = browser(auditor).post(EXPORT + query, {"format": "csv", **reason})
    lines = browser(auditor).post(EXPORT + query, {"format": "jsonl", **reason})

    assert "'=1+1" in table.content.decode()
    rows = [json.loads(line) for line in lines.content.decode().splitlines()]
    assert {row["person"] for row in rows if row["person"]} == {"=1+1", "bob"}
    assert any(row["not_recorded"] for row in rows)
    logged = CommandRecord.objects.filter(message_type="audit.export", reason="Audit of March")
    assert logged.count() == 2
    assert CommandRecord.objects.filter(message_type="audit.end_export").count() == 2


def test_a_file_needs_a_reason_and_the_permission(iris, dana, auditor, browser):
    assert browser(auditor).get(EXPORT).status_code == 200
    assert browser(auditor).post(EXPORT, {"format": "csv"}).status_code == 400
    assert browser(dana).post(EXPORT, {"format": "csv", "reason": "x"}).status_code == 403


def test_the_number_of_queries_does_not_grow_with_people(
    disabling_needs_two, acme, auditor, browser, django_assert_max_num_queries
):
    client = browser(auditor)
    asked = {"command": "apikeys.disable", "tenant": str(acme.pk)}
    client.get(PAGE, asked)

    with django_assert_max_num_queries(22):
        client.get(PAGE, asked)
