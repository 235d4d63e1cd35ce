"""Rows, history and events are compared, and the overview shows where they disagree."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import F

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey, ApiKeySecret
from audit.bus.dispatch import dispatch
from audit.management.commands import audit_drift
from audit.models.records import CommandRecord, EventRecord, StreamHead
from audit.outside import outside_command
from audit.reactions.processes import declarations as processes
from audit.reactions.processes.long_steps import LongStep
from audit.tracking.drift import comparison
from audit.tracking.drift.detection import MOST_RECORDED, Tally, detect_drift
from tests.conftest import AS_SYSTEM, create_key
from tests.processes import let_timers_be_due
from tests.tampering import without_triggers

URL = "/audit/overview"
ALL_MAY_BE_SEEN = "No differences."
PART_MAY_BE_SEEN = "No differences among the rows that you may see."


def differences():
    return {
        (each.kind, each.subject, each.fields)
        for progress in comparison.compare()
        for each in progress.differences
    }


def run():
    out, err = StringIO(), StringIO()
    try:
        call_command("audit_drift", stdout=out, stderr=err)
    except SystemExit as ended:
        return out.getvalue(), ended.code
    return out.getvalue(), err.getvalue()


def section(content):
    return content.split('id="drift"')[1].split("</section>")[0]


@pytest.fixture
def everything(iris):
    """An auditor who may see every customer."""
    iris.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    return iris


def test_commands_and_direct_changes_leave_no_difference(first_key, disabling_needs_two):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)
    with outside_command("Bulk"):
        ApiKey.objects.update(name="renamed", metadata={"price": 1.5, "tags": ["a"]})
        ApiKeySecret.objects.update(not_after="2030-01-01T00:00:00Z")

    assert differences() == set()


def test_it_finds_a_planted_row_a_changed_one_and_one_that_is_gone(first_key, dana, acme, owner):
    second, third = (create_key(dana, acme, name=name) for name in ("second", "third"))
    with without_triggers(owner, "apikeys_apikey"):
        owner.execute("UPDATE apikeys_apikey SET name = 'x' WHERE id = %s", [first_key.id])
        owner.execute(
            "INSERT INTO apikeys_apikey SELECT (jsonb_populate_record(k, jsonb_build_object('id',"
            " '01a22c60-07fc-75dc-be3b-9ccce8150891'))).* FROM apikeys_apikey AS k WHERE id = %s",
            [second.id],
        )
        owner.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for table, key in (("keyname", "api_key_id"), ("apikeysecret", "api_key_id"), ("apikey", "id")):
        with without_triggers(owner, f"apikeys_{table}"):
            owner.execute(f"DELETE FROM apikeys_{table} WHERE {key} = %s", [third.id])
            owner.execute("SET CONSTRAINTS ALL IMMEDIATE")

    found = differences()

    assert ("row", f"api-key:{first_key.id}", ("name",)) in found
    assert ("events", f"api-key:{first_key.id}", ("name",)) in found
    assert ("row", "api-key:01a22c60-07fc-75dc-be3b-9ccce8150891", ()) in found
    assert ("row", f"api-key:{third.id}", ()) in found


def test_it_finds_changes_without_a_logged_command(first_key):
    unlogged(first_key.id)

    assert differences() == {
        ("unlogged", f"api-key:{first_key.id}", ()),
        ("events", f"api-key:{first_key.id}", ("name",)),
    }


def test_it_finds_changed_and_deleted_parts_without_a_logged_command(first_key):
    with transaction.atomic():
        name_a_command()
        ApiKeySecret.objects.all().delete()

    assert differences() == {("unlogged", f"api-key:{first_key.id}", ())}


def test_it_finds_parts_that_are_gone_without_history(first_key, owner):
    with without_triggers(owner, "apikeys_apikeysecret"):
        owner.execute("DELETE FROM apikeys_apikeysecret")
        owner.execute("SET CONSTRAINTS ALL IMMEDIATE")

    assert differences() == {("row", f"api-key:{first_key.id}", ())}


@pytest.mark.parametrize("is_followed", [False, True])
def test_it_finds_a_number_that_was_moved_by_hand(
    first_key, dana, acme, is_followed, everything, browser
):
    other = create_key(dana, acme, name="other")
    unlogged(other.id)
    with transaction.atomic():
        name_a_command()
        StreamHead.objects.filter(subject_id=str(first_key.id)).update(number=F("number") + 1)
    if is_followed:
        dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    found = {each for each in differences() if each[0] == "number"}
    out, _ = run()

    assert found == {("number", f"api-key:{first_key.id}", ())}
    sentence = f"api-key:{first_key.id}: its number is not that of its events and changes."
    assert sentence in out
    content = section(browser(everything).get(URL).content.decode())
    assert "number was moved without an event or a change" in content


def test_a_number_that_hides_behind_unlogged_changes_is_found_with_them(first_key):
    subject, move = f"api-key:{first_key.id}", "SET number = number + 1, paid_in = NULL"
    with transaction.atomic():
        # Two changes in one transaction take one number.
        unlogged(first_key.id)
        unlogged(first_key.id)

    for _ in range(2):
        assert differences() >= {("unlogged", subject, ())}
        assert ("number", subject, ()) not in differences()
        with transaction.atomic():
            name_a_command()
            with connection.cursor() as cursor:
                cursor.execute(f"UPDATE audit_streamhead {move} WHERE subject_type = 'api-key'")
    assert ("number", subject, ()) in differences()


def test_pages_are_compared_one_after_another(first_key, dana, acme, monkeypatch):
    monkeypatch.setattr(comparison, "PAGE", 2)
    for name in ("a", "b", "c", "d"):
        create_key(dana, acme, name=name)
    unlogged(first_key.id)

    pages = [each.rows for each in comparison.compare() if each.model == "API key"]

    assert pages[:3] == [2, 2, 1]
    assert len(differences()) == 2


def test_the_result_and_the_progress_are_shown(first_key, everything, browser, monkeypatch):
    monkeypatch.setattr(audit_drift, "SECONDS_BETWEEN", 0)
    before = section(browser(everything).get(URL).content.decode())

    out, err = run()

    assert "Never compared" in before
    assert "0 differences." in out
    assert "rows compared, now of API key" in err
    assert ALL_MAY_BE_SEEN in section(browser(everything).get(URL).content.decode())


def test_each_reader_sees_the_differences_of_its_customers(
    first_key, globex, gus, everything, browser
):
    other = create_key(gus, globex, name="other")
    unlogged(other.id)

    out, code = run()

    assert code == 1
    assert f"api-key:{other.id}: its history has a change that is not in the log." in out
    content = section(browser(everything).get(URL).content.decode())
    assert f"/audit/subjects/api-key/{other.id}" in content


def test_a_reader_of_some_customers_never_reads_an_unconditional_none(
    first_key, globex, gus, iris, browser
):
    other = create_key(gus, globex, name="other")
    unlogged(other.id)
    run()

    content = browser(iris).get(URL).content.decode()

    assert PART_MAY_BE_SEEN in section(content)
    assert ALL_MAY_BE_SEEN not in section(content)
    assert "None among the changes that you may see." in content
    assert str(other.id) not in content


def name_a_command():
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.command_id', gen_random_uuid()::text, true)")


def unlogged(key_id):
    with transaction.atomic():
        name_a_command()
        ApiKey.objects.filter(pk=key_id).update(name="unlogged")


def test_a_process_compares_and_announces_what_it_finds(first_key, everything, browser):
    unlogged(first_key.id)
    begins, compares = (
        LongStep(processes.find("audit.drift"), detect_drift, lambda: timedelta(days=1))
        for _ in range(2)
    )
    begins.turn()
    let_timers_be_due()

    while compares.turn():
        assert not connection.in_atomic_block

    record = CommandRecord.objects.get(message_type="audit.record_drift")
    event = EventRecord.objects.get(message_type="audit.drift_found")
    assert (record.actor_label, record.data["found"]) == ("process:audit.drift", 2)
    assert event.data == {
        "comparison_id": str(record.command_id),
        "rows": record.data["rows"],
        "found": 2,
    }
    content = section(browser(everything).get(URL).content.decode())
    assert f"/audit/subjects/api-key/{first_key.id}" in content


def test_differences_are_counted_but_only_the_first_ones_are_kept():
    tally, each = Tally(), comparison.Difference("row", "", "", "apikeys.apikey")

    for _ in range(3):
        tally.add(comparison.Progress("API key", 500, [each] * 450))

    assert (tally.rows, tally.found) == (1_500, 1_350)
    assert len(tally.command().differences) == MOST_RECORDED
