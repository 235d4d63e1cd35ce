"""What auditors read: the log, the story of a subject, an affair and a command."""

import re
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apikeys.commands import DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.commands import Approve, Deny
from approvals.models import ApprovalRequest, OwnRequest
from audit import pages
from audit.bus import dispatch
from audit.exceptions import Conflict
from audit.models import CommandRecord
from audit.outside import outside_command
from tests.conftest import completed, create_key


@pytest.fixture
def globex_key(gus, globex):
    """A key of Globex, which nobody of Acme may see."""
    return create_key(gus, globex, name="globex-main")


@pytest.fixture
def asked(first_key, dana, disabling_needs_two, context_of):
    """Dana asks to disable her first key; two of Security have to approve."""
    context = context_of(dana, channel="v1", reason="Leaked")
    outcome = dispatch(DisableApiKey(api_key_id=first_key.id), context=context)
    return ApprovalRequest.objects.get(command_id=outcome.command_id)


@pytest.fixture
def disabled(asked, ann, bob, context_of):
    """Ann and Bob approved, so the key is disabled."""
    for person in (ann, bob):
        context = context_of(person, channel="admin", reason=f"{person} agrees")
        completed(Approve(approval_request_id=asked.pk, digest=asked.digest), context=context)
    return asked


@pytest.fixture
def disabled_twice(first_key, dana, context_of):
    """A key that was disabled, and was to be disabled again."""
    command = DisableApiKey(api_key_id=first_key.id)
    completed(command, context=context_of(dana, channel="v2", reason="Rotation"))
    with pytest.raises(Conflict):
        dispatch(command, context=context_of(dana, channel="v2"))
    return first_key


@pytest.fixture
def act(context_of):
    """Have a person do something."""
    return lambda user, command, **facts: dispatch(command, context=context_of(user, **facts))


@pytest.fixture
def read(iris, browser):
    """Read a page as Iris does."""
    client = browser(iris)
    return lambda url, query=None: client.get(url, query).content.decode()


def story_of(key_id):
    return f"/audit/subjects/api-key/{key_id}"


def headlines(content):
    """The lines of a story, in order."""
    return re.findall(r'<strong class="line-words">(.*?)</strong>', content)


def queries(client, url):
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


def test_who_is_not_signed_in_is_asked_to(client, first_key):
    answer = client.get(story_of(first_key.id))

    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/?next=/audit/subjects/")


def test_who_may_not_read_the_log_is_told_so(first_key, ann, browser):
    for url in ("/audit/", story_of(first_key.id), f"/audit/commands/{uuid4()}"):
        answer = browser(ann).get(url)
        assert answer.status_code == 403
        assert (
            "You are signed in as ann, who may not read the audit log." in answer.content.decode()
        )


def test_the_log_can_only_be_read(iris, browser):
    assert browser(iris).post("/audit/").status_code == 405


def test_the_log_has_the_newest_attempts_of_ones_tenants_first(disabled_twice, globex_key, read):
    content = read("/audit/")

    assert content.index("Disable API key</a>") < content.index("Create API key</a>")
    assert f"{ApiKey.objects.get(name='first')} of Acme" in content
    assert "Rotation" in content
    assert str(globex_key.id) not in content
    assert "globex-main" not in content


def test_the_log_tells_nothing_of_what_others_keys_are_called(globex_key, dana, act, read):
    with pytest.raises(Exception, match="There is no api-key"):
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
        ({"status": "nonsense"}, 3),
        ({"before": "nonsense"}, 3),
        ({"before": "9" * 30}, 3),
        ({"actor": "\x00"}, 3),
    ],
)
def test_the_log_can_be_narrowed_down(disabled_twice, read, narrowed, count):
    asked = {"subject": f"api-key:{disabled_twice.id}"} | narrowed
    content = read("/audit/", asked)

    assert content.count('<th scope="row"') == count


def test_the_log_is_paged_by_position(first_key, dana, act, read, monkeypatch):
    monkeypatch.setattr(pages, "RECENT_LINES", 2)
    for command in (DisableApiKey, EnableApiKey):
        act(dana, command(api_key_id=first_key.id))

    newest = read("/audit/?actor=dana")
    older = re.search(r'href="(\?[^"]*before=\d+)"', newest)[1].replace("&amp;", "&")
    oldest = read(f"/audit/{older}")

    assert "Enable API key</a>" in newest
    assert "Create API key</a>" not in newest
    assert "Create API key</a>" in oldest
    assert "Enable API key</a>" not in oldest
    assert "before=" not in oldest


def test_a_story_tells_all_that_happened_in_order(disabled, first_key, dana, act, read):
    act(dana, EnableApiKey(api_key_id=first_key.id), channel="v2", reason="False alarm")

    content = read(story_of(first_key.id))

    assert headlines(content) == [
        "API key created",
        "Disable API key: asked for, held until approved",
        "Approved",
        "Approved, settled",
        "API key disabled",
        "API key enabled",
    ]


def test_a_line_tells_who_why_through_what_and_what_changed(disabled, first_key, read):
    content = read(story_of(first_key.id))
    line = content.split("API key disabled</strong>")[1].split("</article>")[0]

    replay = CommandRecord.objects.get(command_id=disabled.command_id, attempt=2)
    for words in (
        "succeeded",
        "dana</span>",
        "through v1, released by bob&#x27;s “Approve”",
        "Leaked",
        '<span class="field">is enabled</span> <del>yes</del> → <ins>no</ins>',
        f"/audit/commands/{replay.command_id}",
        f"/audit/commands/{replay.causation_id}",
        f"/audit/affairs/{replay.correlation_id}",
        "apikeys.disable v1, attempt 2",
        "apikeys.disabled v1, number 2 of api-key",
    ):
        assert words in line, words


def test_a_story_tells_of_what_came_to_nothing(asked, dana, ann, act, read):
    with pytest.raises(OwnRequest):
        act(dana, Approve(approval_request_id=asked.pk, digest=asked.digest))
    denial = Deny(approval_request_id=asked.pk, digest=asked.digest)
    act(ann, denial, reason="Still in use")
    with pytest.raises(Conflict):
        act(dana, EnableApiKey(api_key_id=UUID(asked.subject_id)))

    content = read(story_of(asked.subject_id))

    assert headlines(content) == [
        "API key created",
        "Disable API key: asked for, held until approved",
        "Approve: refused",
        "Denied",
        "Disable API key: called off",
        "Enable API key: refused",
    ]
    assert "You asked for this yourself" in content
    assert "called off by ann&#x27;s “Deny”" in content
    assert "is already enabled." in content


def test_a_story_tells_of_changes_by_hand(first_key, read):
    with outside_command("Renamed, ticket OPS-9"):
        key = ApiKey.objects.get()
        key.name = "renamed"
        key.save()

    content = read(story_of(first_key.id))

    assert headlines(content)[1:] == ["Change outside command: carried out"]
    assert "Renamed, ticket OPS-9" in content
    assert '<span class="field">name</span> <del>first</del> → <ins>renamed</ins>' in content


def test_a_story_is_paged_and_each_change_is_told_once(disabled, dana, act, read, monkeypatch):
    monkeypatch.setattr(pages, "STORY_LINES", 2)
    act(dana, EnableApiKey(api_key_id=UUID(disabled.subject_id)))
    story = story_of(disabled.subject_id)
    url, told, changes = story, [], 0

    while url:
        content = read(url)
        told = headlines(content) + told
        changes += content.count('<span class="field">is enabled</span>')
        older = re.search(r'href="(\?before=\d+)"', content)
        url = older and story + older[1]

    assert sorted(told) == sorted(
        [
            "API key created",
            "Disable API key: asked for, held until approved",
            "Approved",
            "Approved, settled",
            "API key disabled",
            "API key enabled",
        ]
    )
    assert changes == 3


def test_nobody_reads_the_story_of_anothers_subject(globex_key, iris, browser):
    record = CommandRecord.objects.get(subject_id=str(globex_key.id))

    for url in (
        story_of(globex_key.id),
        f"/audit/commands/{record.command_id}",
        f"/audit/affairs/{record.correlation_id}",
    ):
        assert browser(iris).get(url).status_code == 404


@pytest.mark.parametrize("path", ["api-key/zero", "nothing/1", "api-key/%00", "a/b/c", "policy/1"])
def test_subjects_that_are_none_are_not_found(iris, browser, path):
    assert browser(iris).get(f"/audit/subjects/{path}").status_code == 404


def test_an_affair_shows_what_brought_about_what(disabled, read):
    content = read(f"/audit/affairs/{disabled.command_id}")

    assert headlines(content) == [
        "Disable API key: asked for, held until approved",
        "Approved",
        "Approved, settled",
        "API key disabled",
    ]
    inner = content.split('<ol class="tree">')[2]
    assert headlines(inner) == ["API key disabled"]


def test_a_command_is_shown_with_every_attempt_and_event(disabled, read):
    content = read(f"/audit/commands/{disabled.command_id}")

    for words in (
        f"<h1>Disable {ApiKey.objects.get()} of Acme</h1>",
        "Attempt 1: asked for, held until approved",
        "Attempt 2: carried out",
        "<h3>Approval requested</h3>",
        "<h3>API key disabled</h3>",
        "require_approval",
    ):
        assert words in content, words


def test_pages_ask_the_database_no_more_for_longer_stories(disabled, dana, act, iris, browser):
    client = browser(iris)
    urls = ("/audit/", story_of(disabled.subject_id), f"/audit/affairs/{disabled.command_id}")
    few = [queries(client, url) for url in urls]
    for command in (EnableApiKey, DisableApiKey, DisableApiKey):
        act(dana, command(api_key_id=UUID(disabled.subject_id)))

    many = [queries(client, url) for url in urls]

    assert many == few
    assert max(many) <= 16


def test_no_page_has_inline_code(disabled, first_key, read):
    for url in (
        "/audit/",
        story_of(first_key.id),
        f"/audit/affairs/{disabled.command_id}",
        f"/audit/commands/{disabled.command_id}",
        "/admin/",
        "/admin/login/",
        "/nowhere",
    ):
        content = read(url)
        assert not re.search(r"<style|\sstyle=|<script(?![^>]* src=)|\son[a-z]+=", content), url
