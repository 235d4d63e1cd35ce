"""The page of process instances and their timers."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from apikeys.commands import RotateApiKey
from audit.models.processes import ProcessInstance, ProcessTimer
from audit.models.records import CommandRecord
from audit.pages.processes import view
from audit.testing import react
from tests.conftest import completed

PAGE = "/audit/processes"
SECRET = "cs_live_" + "a" * 33


@pytest.fixture
def auditor():
    """Sees every customer."""
    user = User.objects.create_user("olaf", is_staff=True)
    names = ("view_commandrecord", "view_every_tenant")
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    return user


def instance(process="test.gone", key="", **fields):
    return ProcessInstance.objects.create(process=process, key=key, schema_version=1, **fields)


def timer(of, **fields):
    return ProcessTimer.objects.create(
        instance=of, step="end", due_at=timezone.now() + timedelta(days=1), **fields
    )


def keys(page):
    return [each["instance"].key for each in page.context["lines"]]


def test_an_instance_links_to_its_case_and_to_what_it_has_sent(first_key, auditor, browser):
    completed(RotateApiKey(api_key_id=first_key.id, overlap_seconds=3_600))
    react("apikeys.rotation")
    case = CommandRecord.objects.get(message_type="apikeys.rotate").correlation_id

    page = browser(auditor).get(PAGE, {"process": "apikeys.rotation", "key": str(first_key.id)})
    content = page.content.decode()

    assert keys(page) == [str(first_key.id)]
    assert content.count(f'href="/audit/cases/{case}"') == 2
    assert 'href="/audit/actors/process/apikeys.rotation"' in content
    assert f'href="{PAGE}"' in browser(auditor).get("/audit/overview").content.decode()


def test_state_timers_and_failures_are_shown_without_secrets(auditor, browser):
    odd = instance(key="a b/c", state={"note": f"it is {SECRET}", "times": 2, "deep": [{}]})
    timer(odd, failures=3, error="RuntimeError")

    page = browser(auditor).get(PAGE, {"failed": "on"})
    content = page.content.decode()

    assert keys(page) == ["a b/c"]
    assert len(page.context["failing"]) == 1
    for words in ("times: 2", "deep: [{}]", "no longer declared", "3 failed: RuntimeError"):
        assert words in content, words
    assert SECRET not in content
    assert "it is cs_live_aaaa" in content


def test_instances_are_found_page_by_page(auditor, browser, monkeypatch):
    monkeypatch.setattr(view, "LINES", 2)
    for each in ("1", "2", "3"):
        instance("apikeys.rotation", each)
    instance("approvals.expiry")
    client = browser(auditor)

    first = client.get(PAGE, {"process": "apikeys.rotation"})
    second = client.get(f"{PAGE}?{first.context['next']}")

    assert (keys(first), keys(second)) == (["1", "2"], ["3"])
    assert second.context["next"] == ""
    assert keys(client.get(PAGE, {"key": "2"})) == ["2"]
    assert keys(client.get(PAGE, {"failed": "on"})) == []
    assert keys(client.get(PAGE, {"after": "nonsense"})) == ["1", "2"]
    for wrong in ({"key": "\x00"}, {"key": "x" * 300}, {"process": "\x00"}):
        page = client.get(PAGE, wrong)
        assert (page.status_code, keys(page)) == (200, [])
    assert client.get(PAGE, {"process": "test.gone"}).status_code == 200
    assert client.get(PAGE, {"unknown": "1"}).status_code == 400
    assert client.post(PAGE).status_code == 405


def test_only_readers_of_the_whole_log_see_the_page(iris, dana, browser):
    instance()

    assert browser(iris).get(PAGE).status_code == 404
    assert browser(dana).get(PAGE).status_code == 403
    assert f'href="{PAGE}"' not in browser(iris).get("/audit/").content.decode()


def test_the_page_sends_as_many_queries_for_many_instances(
    auditor, browser, django_assert_max_num_queries
):
    client = browser(auditor)
    timer(instance(key="1"))
    with django_assert_max_num_queries(20) as one:
        client.get(PAGE)
    for each in range(2, 9):
        timer(instance(key=str(each)))

    with django_assert_max_num_queries(len(one)):
        client.get(PAGE)
