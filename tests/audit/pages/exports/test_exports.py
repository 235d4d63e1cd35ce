"""Taking parts of the log away: what is in the file, who may, and what is on record of it."""

import csv
import hashlib
import io
import json
import tracemalloc
from contextlib import suppress
from datetime import datetime

import pytest
from django.db import OperationalError, connection

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey, UpdateApiKey
from approvals.models import Policy
from audit.models.records import CommandRecord, EventRecord
from audit.pages.exports import files
from tests.audit.reading import queries
from tests.conftest import completed, policy

REASON = "Yearly audit 2026"


def rows(text):
    """The attempts in a file of JSON lines."""
    return [json.loads(line) for line in text.split("\n") if line]


def test_what_the_search_finds_is_exported_in_the_order_of_the_log(disabled_twice, export):
    found = rows(export("message_type=apikeys.disable"))

    assert [(each["message_type"], each["status"]) for each in found] == [
        ("apikeys.disable", "succeeded"),
        ("apikeys.disable", "refused"),
    ]
    assert found[0]["reason"] == "Rotation"
    assert found[0]["position"] < found[1]["position"]
    (event,) = found[0]["events"]
    assert (event["message_type"], event["number"]) == ("apikeys.disabled", 2)
    assert found[1]["events"] == []


def test_only_ones_own_customers_records_leave(first_key, globex_key, export, acme):
    for format_name in ("csv", "jsonl", "cloudevents"):
        text = export(format_name=format_name)
        assert str(first_key.id) in text
        assert str(globex_key.id) not in text
        assert "globex" not in text.lower()


def test_nothing_leaves_that_identifies_a_secret(first_key, export):
    for format_name in ("csv", "jsonl", "cloudevents"):
        text = export(format_name=format_name)
        assert first_key.secret not in text
        assert "fingerprint" not in text


def test_csv_has_a_column_for_everything_and_a_line_for_each_attempt(disabled_twice, export):
    text = export("message_type=apikeys.disable", format_name="csv")

    first, second = csv.DictReader(io.StringIO(text))
    assert first["status"] == "succeeded"
    assert first["reason"] == "Rotation"
    assert json.loads(first["data"]) == {"api_key_id": str(disabled_twice.id)}
    assert json.loads(first["events"])[0]["message_type"] == "apikeys.disabled"
    assert second["error_code"] == "precondition_failed"


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_csv_is_a_formula(first_key, dana, act, export, begins):
    act(dana, DisableApiKey(api_key_id=first_key.id), reason=f'{begins}HYPERLINK("x")')

    text = export("message_type=apikeys.disable", format_name="csv")

    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["reason"] == f'\'{begins}HYPERLINK("x")'


def test_what_is_odd_leaves_as_it_is(first_key, dana, act, export):
    reason = 'a "quoted" one, with a comma; ünïcode, 🗝 and a \\ at the end\\'
    metadata = {"text": "two\nlines\tand \u2028 more", "deep": {"list": [1, -2.5, None, True, ""]}}
    act(dana, UpdateApiKey(api_key_id=first_key.id, metadata=metadata), reason=reason)
    record = CommandRecord.objects.get(message_type="apikeys.update")
    query = "message_type=apikeys.update"

    (line,) = rows(export(query))
    (cells,) = csv.DictReader(io.StringIO(export(query, format_name="csv"), newline=""))
    command, event = json.loads(export(query, format_name="cloudevents"))

    assert record.data["metadata"] == metadata
    assert record.reason == line["reason"] == cells["reason"] == command["data"]["reason"] == reason
    assert record.data == line["data"] == json.loads(cells["data"]) == command["data"]["data"]
    assert line["events"] == json.loads(cells["events"])
    assert line["events"][0]["data"] == event["data"]
    assert line["received_at"] == cells["received_at"] == command["time"]
    assert datetime.fromisoformat(line["received_at"]) == record.received_at
    assert record.decision == line["decision"] == json.loads(cells["decision"])
    assert (line["causation_id"], cells["causation_id"]) == (None, "")


def test_lines_of_cloudevents_are_a_batch_across_chunks_too(disabled_twice, export, monkeypatch):
    monkeypatch.setattr(files, "CHUNK", 1)

    text = export("actor=dana", format_name="cloudevents")

    assert len(json.loads(text)) == len(text.splitlines()) - 2 + text.count('"sequence"')


def test_cloudevents_are_a_valid_batch(disabled, export):
    record = CommandRecord.objects.get(command_id=disabled.command_id, attempt=2)
    event = EventRecord.objects.get(message_type="apikeys.disabled")

    batch = json.loads(export("message_type=apikeys.disable", format_name="cloudevents"))

    types = [each["type"] for each in batch]
    assert types == [
        "apikeys.disable",
        "approvals.requested",
        "apikeys.disable",
        "apikeys.disabled",
    ]
    for each in batch:
        assert each["specversion"] == "1.0"
        assert each["source"] == "http://testserver/audit/"
        assert all(name.isalnum() and name.islower() for name in each)
        assert all(value not in ("", None) for value in each.values())
    assert len({(each["source"], each["id"]) for each in batch}) == 4
    assert batch[2]["id"] == f"{record.command_id}/2"
    assert batch[2]["data"]["actor_label"] == "dana"
    assert batch[3] == {
        "specversion": "1.0",
        "id": str(event.id),
        "type": "apikeys.disabled",
        "source": "http://testserver/audit/",
        "subject": f"api-key:{disabled.subject_id}",
        "time": event.occurred_at.isoformat(),
        "datacontenttype": "application/json",
        "schemaversion": 1,
        "commandid": str(event.command_id),
        "attempt": 2,
        "correlationid": str(event.correlation_id),
        "causationid": str(event.causation_id),
        "tenant": event.tenant,
        "sequence": "2",
        "data": event.data,
    }


@pytest.mark.parametrize(
    ("format_name", "text"),
    [("jsonl", ""), ("cloudevents", "[]\n")],
)
def test_an_export_of_nothing_is_a_file(export, format_name, text):
    assert export("channel=nowhere", format_name=format_name) == text


def test_an_export_is_a_download_that_is_not_cached(first_key, ask):
    answer = ask("message_type=apikeys.create", format_name="csv")

    assert answer.streaming
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert 'attachment; filename="audit-log-' in answer["Content-Disposition"]
    assert "no-store" in answer["Cache-Control"]
    assert answer["Rows-About"] == "1"


def test_an_export_is_on_record_before_its_first_byte(first_key, ask, iris):
    answer = ask("channel=v2&actor=&before=9")

    record = CommandRecord.objects.get(message_type="audit.export")
    assert (record.status, record.reason) == ("succeeded", REASON)
    assert record.actor_id == str(iris.pk)
    assert record.data["search"] == "channel=v2"
    assert record.data["format"] == "jsonl"
    assert not CommandRecord.objects.filter(message_type="audit.end_export").exists()
    answer.close()


def test_what_has_left_is_on_record_in_the_end(disabled_twice, export):
    text = export("message_type=apikeys.disable")

    (begun, ended) = EventRecord.objects.filter(subject_type="export").order_by("number")
    assert (begun.message_type, ended.message_type) == ("audit.export_begun", "audit.exported")
    assert ended.data["rows"] == 2
    assert ended.data["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_an_incomplete_export_is_recorded_as_incomplete(disabled_twice, ask, monkeypatch):
    monkeypatch.setattr(files, "CHUNK", 1)
    answer = ask("message_type=apikeys.disable")
    content = iter(answer.streaming_content)
    next(content)
    next(content)

    answer.close()

    ended = EventRecord.objects.get(message_type="audit.export_broken_off")
    assert ended.data["rows"] == 1


@pytest.mark.parametrize(
    ("received", "end"), [(1, "audit.export_broken_off"), (2, "audit.exported")]
)
def test_the_end_of_an_export_is_recorded_although_its_connection_is_lost(
    received, end, disabled_twice, ask, monkeypatch
):
    monkeypatch.setattr(files, "CHUNK", 1)
    content = iter(ask("message_type=apikeys.disable").streaming_content)
    for _ in range(received):
        next(content)
    connection.connection.close()

    with suppress(OperationalError):
        list(content)

    assert EventRecord.objects.get(message_type=end).data["rows"] == received


def test_records_written_meanwhile_are_not_in_the_file(first_key, dana, act, ask, monkeypatch):
    monkeypatch.setattr(files, "CHUNK", 1)
    answer = ask("actor=dana")
    act(dana, DisableApiKey(api_key_id=first_key.id))

    text = b"".join(answer.streaming_content).decode()

    assert [each["message_type"] for each in rows(text)] == ["apikeys.create"]


def test_chunks_leave_nothing_out_and_repeat_nothing(first_key, dana, act, export, monkeypatch):
    for _ in range(3):
        act(dana, DisableApiKey(api_key_id=first_key.id))
        act(dana, EnableApiKey(api_key_id=first_key.id))
    whole = [each["position"] for each in rows(export("actor=dana"))]
    monkeypatch.setattr(files, "CHUNK", 2)

    in_chunks = [each["position"] for each in rows(export("actor=dana"))]

    assert len(in_chunks) == 7
    assert whole == in_chunks


@pytest.mark.parametrize("reason", ["", "   ", "\x07"])
def test_an_export_without_a_reason_is_refused(first_key, ask, reason):
    answer = ask(reason=reason)

    assert answer.status_code == 400
    assert "required" in answer.content.decode()
    assert not EventRecord.objects.filter(subject_type="export").exists()


def test_an_unknown_format_is_refused(first_key, ask):
    assert ask(format_name="xlsx").status_code == 400


def test_who_may_read_the_log_may_not_therefore_export_it(first_key, iris, browser):
    iris.user_permissions.remove(*iris.user_permissions.filter(codename="export_commandrecord"))
    client = browser(iris)

    for answer in (client.get("/audit/export"), client.post("/audit/export", {"reason": "r"})):
        assert answer.status_code == 403
        assert "without permission to export the audit log" in answer.content.decode()


def test_who_may_not_read_the_log_may_not_export_it(first_key, dana, browser):
    assert browser(dana).post("/audit/export", {"reason": "r"}).status_code == 403


def test_an_export_cannot_be_held_so_a_policy_that_would_hold_it_stops_it(
    first_key, security, ann, bob, ask
):
    policy("audit.export", group=security, quorum=2)

    answer = ask()

    assert answer.status_code == 400
    assert "This command cannot wait for approval" in answer.content.decode()
    assert CommandRecord.objects.get(message_type="audit.export").status == "refused"
    assert Policy.objects.count() == 1


def test_the_page_tells_what_would_be_exported(disabled_twice, iris, browser):
    content = browser(iris).get("/audit/export?channel=v2").content.decode()

    assert "<strong>2</strong> command attempts" in content
    assert ">v2</td>" in content
    assert 'action="?channel=v2"' in content


def test_more_than_can_be_counted_is_exported(first_key, iris, browser, ask, monkeypatch):
    monkeypatch.setattr(files, "activity", lambda *_: None)

    assert (
        "More than 10,000 command attempts" in browser(iris).get("/audit/export").content.decode()
    )
    answer = ask()
    assert answer["Rows-About"] == ""
    assert b"apikeys.create" in b"".join(answer.streaming_content)


@pytest.mark.parametrize("query", ["since=2999-01-01", "until=1999-01-01"])
def test_a_time_without_anything_has_nothing_to_export(first_key, export, iris, browser, query):
    content = browser(iris).get(f"/audit/export?{query}").content.decode()

    assert "<strong>0</strong> command attempts" in content
    assert export(query) == ""


@pytest.mark.parametrize("query", ["since=yesterday", "status=nonsense", "correlation_id=1"])
def test_no_more_leaves_than_was_meant_to_because_the_search_cannot_be_read(
    first_key, ask, iris, browser, query
):
    answer = ask(query)

    assert answer.status_code == 400
    assert "fix it first" in answer.content.decode()
    assert (
        "These search fields are invalid:"
        in browser(iris).get(f"/audit/export?{query}").content.decode()
    )
    assert not CommandRecord.objects.filter(message_type="audit.export").exists()


def test_a_snapshot_holds_what_was_there_and_what_earlier_epochs_had():
    snapshot = files.Snapshot(epoch=2, transactions="10:20:10,15")

    def has(epoch, xid):
        condition = snapshot.condition()
        sql = f"SELECT {condition.sql} FROM (SELECT %s AS epoch, %s::xid8 AS xid) AS record"
        with connection.cursor() as cursor:
            cursor.execute(sql, [*condition.params, epoch, str(xid)])
            return cursor.fetchone()[0]

    assert str(snapshot) == "2/10:20:10,15"
    assert [xid for xid in range(9, 22) if has(2, xid)] == [9, 11, 12, 13, 14, 16, 17, 18, 19]
    assert has(1, 99)
    assert not has(3, 1)


def test_memory_stays_the_same_however_long_the_file_is(acme, dana, context_of, ask, monkeypatch):
    monkeypatch.setattr(files, "CHUNK", 20)
    peaks = []

    for count in (60, 240):
        for number in range(count):
            command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name=f"{number}")
            completed(command, context=context_of(dana))
        answer = ask("message_type=apikeys.create")
        tracemalloc.start()
        assert sum(chunk.count(b"\n") for chunk in answer.streaming_content) >= count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] * 2


def test_an_export_that_cannot_be_recorded_does_not_begin(first_key, ask, owner):
    owner.execute("REVOKE INSERT (data) ON audit_eventrecord FROM countersign_app")
    try:
        answer = ask()
    finally:
        owner.execute("GRANT INSERT (data) ON audit_eventrecord TO countersign_app")

    assert answer.status_code == 400
    assert not answer.streaming


def test_asking_for_an_export_costs_the_same_however_much_is_in_it(
    first_key, disabled_twice, dana, context_of, iris, browser
):
    client = browser(iris)
    few = queries(client, "/audit/export")
    completed(EnableApiKey(api_key_id=first_key.id), context=context_of(dana))

    assert queries(client, "/audit/export") == few == 9
