"""The page of a subject: what happened to it, and what it was at a moment."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.db import connection, transaction
from uuid_utils.compat import uuid7

from apikeys.commands import (
    DeleteApiKey,
    DisableApiKey,
    EnableApiKey,
    PickUpSecret,
    RotateApiKey,
    UpdateApiKey,
)
from apikeys.models import ApiKey, ApiKeySecret
from apikeys.models.refusals import NothingToPickUp
from approvals.decisions.commands import Approve, Deny
from approvals.models.refusals import OwnRequest
from audit.actors.actors import SYSTEM
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, EventRecord
from audit.outside import outside_command
from audit.pages.timelines import point_in_time, subjects
from audit.subjects.names import labels
from tests.audit.reading import headlines, queries, story_of
from tests.boards.models import Board, Card
from tests.conftest import actor, create_key, member
from tests.tampering import without_triggers

DISAGREE = "Its events, history and row do not match."
REASONS = ("Rotation", "By hand")
SPRING = datetime(2027, 3, 20, tzinfo=UTC)


def value(content, field):
    """What the page says a field held, by the history and by the events."""
    row = re.search(rf">{field}</th>(.*?)</tr>", content, re.DOTALL)[1]
    return [re.sub(r"<[^>]+>", "", cell).strip() for cell in row.split("</td>")[:2]]


@pytest.fixture
def gus_reader(globex):
    """An auditor of another customer."""
    return member("gustava", globex, permissions=("view_commandrecord",))


def name_no_command():
    """Allow writes for the rest of the transaction, under the id of no command."""
    with connection.cursor() as cursor:
        made_up = str(uuid7())
        cursor.execute("SELECT set_config('audit.command_id', %s, true)", [made_up])
    return made_up


def change_by_hand(key_id, **fields):
    """Change a key under a command id, but by no command."""
    with transaction.atomic():
        made_up = name_no_command()
        ApiKey.objects.filter(pk=key_id).update(**fields)
    return made_up


def test_a_timeline_has_everything_in_order(disabled, first_key, dana, act, read):
    act(dana, EnableApiKey(api_key_id=first_key.id), channel="v2", reason="False alarm")

    content = read(story_of(first_key.id))

    assert headlines(content) == [
        "API key created",
        "Disable API key: waited for approval",
        "Approved",
        "Approved, settled",
        "API key disabled",
        "API key enabled",
    ]


def test_a_line_has_actor_reason_channel_and_changes(disabled, first_key, read):
    content = read(story_of(first_key.id))
    line = content.split("API key disabled</strong>")[1].split("</article>")[0]

    replay = CommandRecord.objects.get(command_id=disabled.command_id, attempt=2)
    for words in (
        "succeeded",
        "dana</a>",
        "via v1, took ",
        "released by bob&#x27;s “Approve”",
        "Leaked",
        '<span class="field">is enabled</span> <del>yes</del> → <ins>no</ins>',
        f"/audit/commands/{replay.command_id}",
        f"/audit/commands/{replay.causation_id}",
        f"/audit/cases/{replay.correlation_id}",
        "apikeys.disable v1, attempt 2",
        "apikeys.disabled v1, number 2 of api-key",
    ):
        assert words in line, words


def test_a_timeline_includes_unsuccessful_attempts(asked, dana, ann, act, read):
    with pytest.raises(OwnRequest):
        act(dana, Approve(approval_request_id=asked.pk, digest=asked.digest))
    denial = Deny(approval_request_id=asked.pk, digest=asked.digest)
    act(ann, denial, reason="Still in use")
    with pytest.raises(NothingToPickUp):
        act(dana, PickUpSecret(api_key_id=UUID(asked.subject_id)))

    content = read(story_of(asked.subject_id))

    assert headlines(content) == [
        "API key created",
        "Disable API key: waited for approval",
        "Approve: attempt refused",
        "Denied",
        "Disable API key: not executed",
        "Pick up secret: attempt refused",
    ]
    assert "You or a key of yours requested this" in content
    assert "ended by ann&#x27;s “Deny”" in content
    assert "has no secret to pick up." in content


def test_a_timeline_includes_direct_database_changes(first_key, read):
    with outside_command("Renamed, ticket OPS-9"):
        key = ApiKey.objects.get()
        key.name = "renamed"
        key.save()

    content = read(story_of(first_key.id))

    assert headlines(content)[1:] == ["Changed directly"]
    assert "Renamed, ticket OPS-9" in content
    assert '<span class="field">name</span> <del>first</del> → <ins>renamed</ins>' in content


def test_a_timeline_includes_the_changes_of_its_parts(first_key, act, dana, read):
    secret = ApiKeySecret.objects.get()
    with transaction.atomic():
        name_no_command()
        ApiKeySecret.objects.update(digest=b"0" * 32)
    act(dana, RotateApiKey(api_key_id=first_key.id, overlap_seconds=60), reason="Rotation")
    with outside_command("By hand"):
        ApiKeySecret.objects.filter(pk=secret.pk).delete()

    content = read(story_of(first_key.id))

    name = f"API key secret {secret.pk}"
    rotated, by_hand = (content.split(reason)[1].split("</ul>")[0] for reason in REASONS)
    assert f"{name}: not after</span> <del>—</del> →" in rotated
    assert rotated.count("added: created at ") == 1
    assert f"{name}</span> <del>created at " in by_hand
    assert "<ins>removed</ins>" in by_hand
    unlogged = content.split("Unlogged change: API key secret changed")[1].split("</article>")[0]
    assert "<ins>changed in a field that its history leaves out</ins>" in unlogged
    assert DISAGREE not in content


def test_a_deleted_subject_keeps_its_history(acme, read, browser, gus_reader):
    board = Board(id=uuid7(), tenant=str(acme.pk), name="first")
    with outside_command("Made"):
        board.save()
        Card.objects.create(id=uuid7(), board=board, text="a card")
    made = CommandRecord.objects.latest("position").received_at
    with outside_command("Removed"):
        Board.objects.filter(pk=board.pk).delete()

    content = read(f"/audit/subjects/board/{board.pk}")

    assert headlines(content) == ["Changed directly", "Changed directly"]
    assert "added: text a card" in content
    assert "<del>text a card</del> → <ins>removed</ins>" in content
    assert "According to its history, it no longer exists." in content
    past = read(f"/audit/subjects/board/{board.pk}", {"at": made.isoformat()})
    assert value(past, "name") == ["first", "same"]
    assert browser(gus_reader).get(f"/audit/subjects/board/{board.pk}").status_code == 404
    subject = Subject("board", str(board.pk))
    for reader, label in ((SYSTEM, "“first”"), (actor(gus_reader), f"board {board.pk}")):
        assert labels([subject], actor=reader) == {subject: label}


def test_a_timeline_has_pages_and_each_change_once(disabled, dana, act, read, monkeypatch):
    monkeypatch.setattr(subjects, "LINES", 2)
    act(dana, EnableApiKey(api_key_id=UUID(disabled.subject_id)))
    story = story_of(disabled.subject_id)
    url, told, changes = story, [], 0

    while url:
        content = read(url)
        told = headlines(content) + told
        changes += content.count('<span class="field">is enabled</span>')
        older = re.search(r'href="(\?before=\d+)#story"', content)
        url = older and story + older[1]

    assert sorted(told) == sorted(
        [
            "API key created",
            "Disable API key: waited for approval",
            "Approved",
            "Approved, settled",
            "API key disabled",
            "API key enabled",
        ]
    )
    assert changes == 3


@pytest.mark.parametrize("path", ["api-key/zero", "nothing/1", "api-key/%00", "a/b/c", "policy/1"])
def test_subjects_that_are_none_are_not_found(iris, browser, path):
    assert browser(iris).get(f"/audit/subjects/{path}").status_code == 404


def test_a_story_marks_what_was_changed_outside_every_other_command(first_key, read):
    with outside_command("Renamed, ticket OPS-9"):
        key = ApiKey.objects.get()
        key.name = "renamed"
        key.save()

    content = read(story_of(first_key.id))

    assert "1 change on this page was made directly in the database." in content
    line = content.split(">Changed directly")[1].split("</article>")[0]
    assert "direct database change" in line


def test_of_a_direct_change_of_two_customers_a_reader_of_one_sees_that_part(
    first_key, acme, globex, gus, read
):
    other = create_key(gus, globex, name="other")
    with outside_command("Renamed, ticket OPS-9"):
        ApiKey.objects.update(description="renamed")

    content = read(story_of(first_key.id))

    by_tenant = {each.tenant: each for each in CommandRecord.objects.filter(channel="outside")}
    whole, ours, theirs = (by_tenant[tenant] for tenant in ("", str(acme.pk), str(globex.pk)))
    assert headlines(content)[1:] == ["Changed directly"]
    assert f"/audit/commands/{ours.command_id}" in content
    assert '<span class="field">description</span>' in content
    assert str(whole.command_id) not in content
    assert str(theirs.command_id) not in content
    assert whole.data["subjects"] == sorted(f"api-key:{each.id}" for each in (first_key, other))
    assert ours.data == {"subjects": [f"api-key:{first_key.id}"], "tenants": [str(acme.pk)]}
    assert {ours.causation_id, theirs.causation_id} == {whole.command_id}


def test_a_story_marks_what_no_command_on_record_changed(first_key, act, dana, read):
    change_by_hand(first_key.id, name="renamed")
    act(dana, DisableApiKey(api_key_id=first_key.id))

    content = read(story_of(first_key.id))

    assert headlines(content) == [
        "API key created",
        "Unlogged change: row changed",
        "API key disabled",
    ]
    stray = content.split("Unlogged change")[1].split("</article>")[0]
    assert "not in the log" in stray
    assert "<del>first</del> → <ins>renamed</ins>" in stray
    assert DISAGREE in content


def test_a_change_under_the_id_of_no_command_is_marked_as_well(first_key, read):
    made_up = change_by_hand(first_key.id, name="renamed")

    content = read(story_of(first_key.id))

    assert f"under command {made_up}, which is not in the log" in content


def test_each_unlogged_change_is_on_one_page(first_key, act, dana, read, monkeypatch):
    monkeypatch.setattr(subjects, "LINES", 1)
    for name in ("one", "two"):
        change_by_hand(first_key.id, name=name)
        act(dana, DisableApiKey(api_key_id=first_key.id))
        act(dana, EnableApiKey(api_key_id=first_key.id))
    url, told = story_of(first_key.id), []

    while url:
        content = read(url)
        told += re.findall("<ins>(one|two)</ins>", content)
        older = re.search(r'href="(\?before=\d+)#story"', content)
        url = older and story_of(first_key.id) + older[1]

    assert told == ["two", "one"]


def test_the_last_line_of_a_page_tells_what_was_before(first_key, act, dana, read, monkeypatch):
    monkeypatch.setattr(subjects, "LINES", 1)
    monkeypatch.setattr(subjects, "_SLACK", timedelta())
    act(dana, DisableApiKey(api_key_id=first_key.id))

    content = read(story_of(first_key.id))

    assert headlines(content) == ["API key disabled"]
    assert "<del>yes</del> → <ins>no</ins>" in content


def test_a_subject_is_shown_as_it_is_now(first_key, act, dana, read):
    act(dana, DisableApiKey(api_key_id=first_key.id))

    content = read(story_of(first_key.id))

    assert "Current state" in content
    assert value(content, "is enabled") == ["no", "same"]
    assert value(content, "customer") == ["Acme", "same"]
    assert value(content, "owner") == ["dana", "same"]
    assert value(content, "prefix")[1] == "not in events"
    assert DISAGREE not in content


def test_a_subject_is_shown_as_it_was_at_a_moment(first_key, act, dana, read):
    created = EventRecord.objects.get(message_type="apikeys.created").occurred_at
    act(dana, DisableApiKey(api_key_id=first_key.id))

    content = read(story_of(first_key.id), {"at": created.isoformat()})

    assert re.search(rf"State at <time[^>]*>{created:%Y-%m-%d %H:%M:%S} UTC</time>", content)
    assert value(content, "is enabled") == ["yes", "same"]
    assert DISAGREE not in content


def test_whatever_is_done_to_a_key_its_events_and_its_history_tell_the_same(acme, act, dana, read):
    key_id = create_key(dana, acme, name="first", metadata={"tags": ["a", {"b": [1]}]}).id
    changed = {"name": "ci", "scopes": ("keys:read",), "metadata": {"tags": [["c"]]}}
    limits = {"not_before": SPRING, "expires_at": SPRING + timedelta(days=90)}
    networks = ("192.0.2.0/24",)
    act(dana, UpdateApiKey(api_key_id=key_id, **changed, **limits, allowed_networks=networks))
    act(dana, UpdateApiKey(api_key_id=key_id, cleared=("expires_at",)))
    act(dana, RotateApiKey(api_key_id=key_id, overlap_seconds=60))
    act(dana, DeleteApiKey(api_key_id=key_id))

    content = read(story_of(key_id))

    assert DISAGREE not in content
    for field in ("name", "scopes", "not before", "expires at", "metadata", "is enabled"):
        assert value(content, field)[1] == "same", field
    for field in ("prefix", "created at", "deleted at"):
        assert value(content, field)[1] == "not in events", field
    for told in EventRecord.objects.all():
        assert DISAGREE not in read(story_of(key_id), {"at": told.occurred_at.isoformat()})


def test_a_moment_amid_a_command_is_no_disagreement(first_key, act, dana, read):
    act(dana, DisableApiKey(api_key_id=first_key.id))
    row = ApiKey.history.latest("history_id")
    event = EventRecord.objects.get(message_type="apikeys.disabled")
    assert row.history_date < event.occurred_at

    for moment in (row.history_date, event.occurred_at):
        content = read(story_of(first_key.id), {"at": moment.isoformat()})
        assert value(content, "is enabled") == ["no", "same"]
        assert DISAGREE not in content


def test_the_time_that_a_timeline_shows_includes_the_changes_of_the_command(first_key, read):
    record = CommandRecord.objects.get(message_type="apikeys.create")
    assert record.received_at < ApiKey.history.get().history_date

    for at in (record.received_at, record.received_at.replace(microsecond=0)):
        content = read(story_of(first_key.id), {"at": at.isoformat()})
        assert value(content, "name") == ["first", "same"]
        assert DISAGREE not in content


def test_before_its_first_event_a_subject_did_not_exist(first_key, read):
    before = ApiKey.objects.get().created_at - timedelta(hours=1)

    content = read(story_of(first_key.id), {"at": before.isoformat()})

    assert "According to its history, it did not exist then." in content
    assert DISAGREE not in content


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01T00:00", "\x00"])
def test_an_invalid_time_is_an_error_of_the_form(first_key, read, at):
    content = read(story_of(first_key.id), {"at": at})

    assert "Enter a date, or a date and a time" in content
    assert "Current state" in content


def test_history_that_no_event_tells_of_is_shown_loud(first_key, read):
    change_by_hand(first_key.id, is_enabled=False)

    content = read(story_of(first_key.id))

    assert DISAGREE in content
    assert value(content, "is enabled") == ["no", "yes"]


def test_a_row_that_its_history_does_not_tell_of_is_shown_loud(first_key, read, owner):
    with without_triggers(owner, "apikeys_apikey"):
        owner.execute("UPDATE apikeys_apikey SET name = 'hidden'")

    content = read(story_of(first_key.id))

    assert DISAGREE in content
    assert value(content, "name") == ["first but its row has hidden", "same"]


def test_events_that_are_no_longer_readable_are_named(first_key, read, owner):
    owner.execute("ALTER TABLE audit_eventrecord DISABLE TRIGGER ALL")
    owner.execute("UPDATE audit_eventrecord SET message_type = 'apikeys.of_old'")
    owner.execute("ALTER TABLE audit_eventrecord ENABLE TRIGGER ALL")

    content = read(story_of(first_key.id))

    assert "Some events are no longer readable and are left out: apikeys.of_old" in content


def test_a_stream_that_is_too_long_to_fold_is_not_compared(first_key, act, dana, read, monkeypatch):
    monkeypatch.setattr(point_in_time, "MOST_FOLDED", 1)
    act(dana, DisableApiKey(api_key_id=first_key.id))

    content = read(story_of(first_key.id))

    assert "It has too many events to compare here" in content
    assert value(content, "is enabled") == ["no", "not in events"]


def test_requests_and_policies_are_told_by_their_events_as_well(
    disabled, policy_owners, browser, iris
):
    client = browser(iris)

    content = client.get(f"/audit/subjects/approval-request/{disabled.pk}").content.decode()

    assert value(content, "state") == ["executed", "same"]
    assert DISAGREE not in content


def test_the_timeline_of_another_customers_subject_is_not_found(globex_key, iris, browser):
    assert browser(iris).get(story_of(globex_key.id)).status_code == 404
    assert browser(iris).get(story_of(globex_key.id), {"at": "2026-01-01"}).status_code == 404


def test_a_timeline_takes_the_same_queries_at_any_length(first_key, act, dana, iris, browser):
    client, url = browser(iris), story_of(first_key.id)
    act(dana, DisableApiKey(api_key_id=first_key.id))
    few = queries(client, url)
    for command in (EnableApiKey, DisableApiKey, EnableApiKey):
        act(dana, command(api_key_id=first_key.id))

    # Two of them for the tables with parts of keys.
    assert queries(client, url) == few == 17


@pytest.mark.parametrize("number", [1e16, 1e22, 1e23, -1.7e300, 5e-324, 2**63 - 1])
def test_no_accepted_number_makes_a_timeline_incomplete(number, first_key, act, dana, read):
    act(dana, UpdateApiKey(api_key_id=first_key.id, metadata={"n": [number, {"deep": number}]}))

    content = read(story_of(first_key.id))

    assert "no longer readable" not in content
    assert DISAGREE not in content
