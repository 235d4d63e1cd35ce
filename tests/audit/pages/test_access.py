"""What auditors read: the log and a command; who may, and how much it costs."""

import re
from uuid import UUID, uuid4

import pytest

from apikeys.commands import DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from audit.models.records import CommandRecord
from audit.pages.search import view
from tests.audit.reading import queries, story_of


def test_an_anonymous_user_is_asked_to_sign_in(client, first_key):
    answer = client.get(story_of(first_key.id))

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/?next=/audit/subjects/")


def test_a_user_without_permission_for_the_log_sees_why(first_key, ann, browser):
    for url in ("/audit/", story_of(first_key.id), f"/audit/commands/{uuid4()}"):
        answer = browser(ann).get(url)
        assert answer.status_code == 403
        assert (
            "You are signed in as ann, without permission to read the audit log."
            in answer.content.decode()
        )


def test_the_log_can_only_be_read(iris, browser):
    assert browser(iris).post("/audit/").status_code == 405


def test_the_log_has_the_newest_attempts_of_ones_tenants_first(disabled_twice, globex_key, read):
    content = read("/audit/")

    assert content.index("Disable API key</a>") < content.index("Create API key</a>")
    assert f"{ApiKey.objects.get(name='first')} of “Acme”" in content
    assert "Rotation" in content
    assert str(globex_key.id) not in content
    assert "globex-main" not in content


def test_the_log_tells_nothing_of_what_others_keys_are_called(globex_key, dana, act, read):
    with pytest.raises(Exception, match="There is no API key with this id"):
        act(dana, DisableApiKey(api_key_id=globex_key.id))

    for url in ("/audit/", story_of(globex_key.id)):
        content = read(url)
        assert str(globex_key.id) in content
        assert "globex-main" not in content


@pytest.mark.parametrize(
    ("narrowed", "count"),
    [
        ({}, 3),
        ({"status": "refused"}, 1),
        ({"message_type": "apikeys.disable"}, 2),
        ({"actor": "DAN"}, 3),
        ({"actor": "bob"}, 0),
        ({"channel": "v2"}, 2),
        ({"channel": "v2", "status": "refused"}, 1),
        ({"status": "nonsense"}, 0),
        ({"before": "nonsense"}, 3),
        ({"before": "9" * 30}, 3),
        ({"actor": "\x00"}, 0),
    ],
)
def test_the_log_can_be_narrowed_down(disabled_twice, read, narrowed, count):
    asked = {"subject": f"api-key:{disabled_twice.id}"} | narrowed
    content = read("/audit/", asked)

    assert content.count('data-label="Command"') == count


def test_the_log_is_paged_by_time_and_position(first_key, dana, act, read, monkeypatch):
    monkeypatch.setattr(view, "LINES", 2)
    for command in (DisableApiKey, EnableApiKey):
        act(dana, command(api_key_id=first_key.id))

    newest = read("/audit/?actor=dana")
    older = re.search(r'href="(\?[^"]*before=[^"]+)"', newest)[1].replace("&amp;", "&")
    oldest = read(f"/audit/{older}")

    assert "Enable API key</a>" in newest
    assert "Create API key</a>" not in newest
    assert "Create API key</a>" in oldest
    assert "Enable API key</a>" not in oldest
    assert "before=" not in oldest


def test_the_timeline_of_another_customers_subject_is_not_found(globex_key, iris, browser):
    record = CommandRecord.objects.get(subject_id=str(globex_key.id))

    for url in (
        story_of(globex_key.id),
        f"/audit/commands/{record.command_id}",
        f"/audit/cases/{record.correlation_id}",
    ):
        assert browser(iris).get(url).status_code == 404


def test_a_command_is_shown_with_every_attempt_and_event(disabled, read):
    content = read(f"/audit/commands/{disabled.command_id}")

    for words in (
        f"<h1>Disable {ApiKey.objects.get()} of “Acme”</h1>",
        "Attempt 1: waited for approval",
        "Attempt 2: succeeded",
        ">Approval requested</h3>",
        ">API key disabled</h3>",
        "require_approval",
    ):
        assert words in content, words


def test_pages_ask_the_database_no_more_for_longer_stories(disabled, dana, act, iris, browser):
    client = browser(iris)
    urls = ("/audit/", story_of(disabled.subject_id), f"/audit/cases/{disabled.command_id}")
    few = [queries(client, url) for url in urls]
    for command in (EnableApiKey, DisableApiKey, DisableApiKey):
        act(dana, command(api_key_id=UUID(disabled.subject_id)))

    many = [queries(client, url) for url in urls]

    assert many == few
    # Two of them for the tables with parts of keys.
    assert max(many) <= 20


def test_no_page_has_inline_code(disabled, first_key, read):
    for url in (
        "/audit/",
        story_of(first_key.id),
        f"/audit/cases/{disabled.command_id}",
        f"/audit/commands/{disabled.command_id}",
        "/admin/",
        "/admin/login/",
        "/nowhere",
    ):
        content = read(url)
        assert not re.search(r"<style|\sstyle=|<script(?![^>]* src=)|\son[a-z]+=", content), url
