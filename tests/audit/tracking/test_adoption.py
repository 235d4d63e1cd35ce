"""Tables with rows are adopted step by step: report, initial history, refuse."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import Error, connection, connections
from django.test.utils import CaptureQueriesContext

from audit.models.outside_changes import OutsideChange
from audit.models.records import CommandRecord
from audit.outside import outside_command
from audit.tracking import guards
from audit.tracking.checks import (
    check_grants,
    check_history,
    check_triggers,
    check_triggers_in_production,
)
from audit.tracking.drift import comparison
from audit.tracking.guards import Guard, guard_of
from audit.tracking.protection import NOT_EMPTIED, protect, protect_migrated
from audit.tracking.triggers import TRACK
from tests.boards.models import Board, Card
from tests.tampering import without_triggers

BOARD = "boards.Board"


def in_a_thread(function):
    """Call a function that uses the owner's connection, which pytest-django forbids this thread."""

    def run():
        connections["owner"].connect()
        try:
            return function()
        finally:
            connections.close_all()

    return ThreadPoolExecutor().submit(run).result()


def adopt(*arguments):
    out = StringIO()
    in_a_thread(lambda: call_command("adopt", *arguments, stdout=out))
    return out.getvalue()


def statements_of_adoption():
    """Return the number of statements that the owner sends to adopt the boards."""

    def run():
        with CaptureQueriesContext(connections["owner"]) as captured:
            call_command("adopt", BOARD, stdout=StringIO())
        return len(captured)

    return in_a_thread(run)


def status(label=BOARD):
    lines = adopt("--status").splitlines()
    return next(line for line in lines if line.startswith(f"{label}:"))


@pytest.fixture
def guarded(settings, owner):
    """A function that sets the guards of models, and has the database apply them."""

    def apply(**guards_by_name):
        named = {f"boards.{name}": guard for name, guard in guards_by_name.items()}
        settings.COUNTERSIGN = settings.COUNTERSIGN | {"GUARDS": named}
        in_a_thread(lambda: protect(using="owner"))

    yield apply
    apply()


@pytest.fixture
def existing(owner):
    """Boards that were there before their table was tracked."""
    with without_triggers(owner, "boards_board"):
        owner.execute(
            'INSERT INTO boards_board (id, tenant, "Board name", kind, price)'
            " SELECT gen_random_uuid(), 't1', 'existing', '', 0 FROM generate_series(1, 3)"
        )
    return list(Board.objects.order_by("pk"))


def test_the_three_guards(guarded, existing):
    guarded(Board="report")
    Board.objects.update(name="reported")
    Card.objects.create(id=uuid4(), board=existing[0], text="a part, guarded like its board")

    guarded(Board="off")
    Board.objects.update(name="off")

    guarded(Board="refuse")
    with pytest.raises(Error, match="inside a command only"):
        Board.objects.update(name="refused")

    reports = OutsideChange.objects.order_by("pk")
    assert [(each.table_name, each.operation) for each in reports] == [
        ("boards_board", "UPDATE"),
        ("boards_card", "INSERT"),
    ]
    names = Board.history.order_by("history_id").values_list("name", "history_actor_kind")
    assert set(names) == {("reported", "outside"), ("off", "outside")}


def test_a_report_has_program_role_file_and_line(guarded, existing):
    guarded(Board="report")
    with connection.cursor() as cursor:
        cursor.execute("SHOW application_name")
        (program,) = cursor.fetchone()

    with connection.execute_wrapper(guards.note_source):
        Board.objects.filter(name="100%").update(name="100% reported")
        with outside_command("Not reported"):
            Board.objects.update(name="recorded")

    report = OutsideChange.objects.get()
    assert (report.program, report.role) == (program, connection.settings_dict["USER"])
    path, _, line = report.source.rpartition(":")
    assert path.endswith("tests/audit/tracking/test_adoption.py")
    assert line.isdecimal()
    assert f"outside commands in 7 days 1; 1 by {program} {report.source}" in status()


def test_a_connection_that_is_opened_again_adds_each_source_once():
    for _ in range(2):
        guards.note_sources(connection)

    assert connection.execute_wrappers.count(guards.note_source) == 1
    connection.execute_wrappers.remove(guards.note_source)


def test_the_serving_role_writes_no_reports_itself(guarded, owner):
    for statement in (
        "INSERT INTO audit_outsidechange (table_name, operation, role) VALUES ('x', 'x', 'x')",
        "DELETE FROM audit_outsidechange",
    ):
        with pytest.raises(Error, match="permission denied"), connection.cursor() as cursor:
            cursor.execute(statement)
    granted = owner.execute(
        "SELECT has_function_privilege(%s, 'audit_report_change()', 'EXECUTE')",
        [connection.settings_dict["USER"]],
    )
    assert granted.fetchone() == (False,)


def test_adopting_writes_the_missing_history_in_one_command(guarded, existing, owner):
    with outside_command("One more"):
        board = Board.objects.create(id=uuid4(), tenant="t1", name="tracked")
    with without_triggers(owner, "boards_board"):
        owner.execute("UPDATE boards_board SET kind = 'x' WHERE id = %s", [board.pk])

    assert "initial history 4 missing" in status()
    out = adopt(BOARD, "--reason", "We begin")
    assert "4 rows have their initial history now" in out
    assert "0 rows" in adopt(BOARD)

    record = CommandRecord.objects.get(message_type="audit.adopt", data__rows=4)
    assert (record.data["model"], record.reason) == (BOARD, "We begin")
    written = Board.history.filter(history_command_id=record.command_id)
    assert sorted(written.values_list("history_type", flat=True)) == ["+", "+", "+", "~"]
    assert "initial history complete" in status()
    found = [each for progress in comparison.compare() for each in progress.differences]
    assert {each.kind for each in found} <= {"events"}


def test_the_first_change_shows_only_what_it_changed(existing, iris, browser):
    iris.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    adopt(BOARD)
    with outside_command("The first change"):
        Board.objects.filter(pk=existing[0].pk).update(name="changed")

    content = browser(iris).get(f"/audit/subjects/board/{existing[0].pk}").content.decode()

    first = content.split("The first change")[1].split("</ul>")[0]
    assert first.count("<li>") == 1
    assert "<del>existing</del> → <ins>changed</ins>" in first


def test_a_thousand_rows_take_as_many_statements_as_three(existing, owner):
    few = statements_of_adoption()
    with without_triggers(owner, "boards_board"):
        owner.execute(
            'INSERT INTO boards_board (id, tenant, "Board name", kind, price)'
            " SELECT gen_random_uuid(), 't1', 'existing', '', 0 FROM generate_series(1, 1000)"
        )

    many = statements_of_adoption()

    assert CommandRecord.objects.filter(message_type="audit.adopt", data__rows=1000).exists()
    assert many == few


def reporting_since(owner, age):
    """Let the guard of the boards have reported for so long; return the time since when."""
    (since,) = owner.execute(
        "SELECT to_char(now() AT TIME ZONE 'UTC' - %s::interval, 'YYYY-MM-DD HH24:MI:SSZ')", [age]
    ).fetchone()
    owner.execute(f"COMMENT ON TRIGGER audit_guard ON boards_board IS 'reports since {since}'")
    return since[:16]


def test_a_table_is_ready_after_adoption_and_a_week_of_reports_without_outside_changes(
    guarded, existing, owner, iris, browser
):
    guarded(Board="report")
    Board.objects.update(name="by hand")
    iris.user_permissions.add(Permission.objects.get(codename="view_every_tenant"))
    page = browser(iris)
    adopt(BOARD)
    owner.execute("UPDATE audit_outsidechange SET at = at - interval '8 days'")
    assert "ready" not in status()
    reporting_since(owner, "6 days 23 hours 59 minutes")
    assert "ready" not in status()

    since = reporting_since(owner, "7 days 1 second")

    assert f"guard report since {since} UTC, history yes, initial history complete" in status()
    assert status().endswith("outside commands in 7 days 0 -> ready for refuse")
    row = page.get("/audit/tables").content.decode().split(f">{BOARD}<")[1].split("</tr>")[0]
    assert '<td data-label="Ready to refuse">yes</td>' in row
    assert f'<td data-label="Guard">report since <time datetime="{since.replace(" ", "T")}' in row
    assert "/audit/tables" in page.get("/audit/overview").content.decode()


def test_the_time_of_reporting_begins_with_the_guard(guarded, owner):
    guarded(Board="report")
    old = reporting_since(owner, "30 days")
    guarded(Board="report")
    assert f"guard report since {old} UTC" in status()

    guarded(Board="refuse")
    assert "guard refuse, history" in status()
    guarded(Board="report")
    assert f"since {old}" not in status()

    for interruption in (
        "COMMENT ON TRIGGER audit_guard ON boards_board IS NULL",
        "ALTER TABLE boards_board DISABLE TRIGGER audit_guard",
        "DROP TRIGGER audit_guard ON boards_board",
    ):
        reporting_since(owner, "30 days")
        owner.execute(interruption)
        assert "guard report (not attached: run manage.py countersign_protect --apply)" in status()
        guarded(Board="report")
        assert "guard report since " in status()
        assert f"since {old}" not in status()


def test_a_reader_of_some_customers_has_no_page_of_tables(iris, browser):
    assert browser(iris).get("/audit/tables").status_code == 404


def test_a_model_of_others_is_guarded_if_it_is_named(settings, guarded):
    assert guard_of(Group) is Guard.OFF
    settings.COUNTERSIGN = settings.COUNTERSIGN | {"GUARDS": {"auth.Group": "report"}}
    in_a_thread(lambda: protect(using="owner"))

    Group.objects.create(name="by hand")

    assert OutsideChange.objects.get().table_name == "auth_group"
    assert "auth.Group: guard report since" in status("auth.Group")
    assert "history no, initial history none" in status("auth.Group")
    with pytest.raises(CommandError, match="does not write the history"):
        adopt("auth.Group")


def protect_tables(*arguments):
    out = StringIO()
    in_a_thread(lambda: call_command("countersign_protect", *arguments, stdout=out))
    return out.getvalue()


def test_tables_of_the_project_are_protected_on_request_only(settings, guarded, owner, monkeypatch):
    settings.COUNTERSIGN = settings.COUNTERSIGN | {"GUARDS": {"auth.Group": "report"}}
    role = connection.settings_dict["USER"]
    owner.execute(f'REVOKE INSERT ON auth_group FROM "{role}"')

    in_a_thread(lambda: protect_migrated(using="owner", plan=[]))

    printed = protect_tables()
    assert "CREATE OR REPLACE TRIGGER audit_guard" in printed
    assert f"GRANT INSERT ON TABLE auth_group TO {role};" in printed.replace('"', "")
    with pytest.raises(Error, match="permission denied"):
        Group.objects.create(name="by hand")
    (missing,) = check_triggers(databases=["default"])
    (lacking,) = check_grants(databases=["default"])
    assert (missing.id, missing.msg) == (
        "countersign.W006",
        "The table auth_group lacks the trigger audit_guard.",
    )
    assert (lacking.id, lacking.msg) == (
        "countersign.W005",
        "The serving role lacks INSERT on the table auth_group.",
    )
    assert "countersign_protect --apply" in missing.hint == lacking.hint
    with monkeypatch.context() as patched:
        # The tables of other programs are theirs to grant rights on.
        patched.setattr(Group._meta, "managed", False)
        assert check_grants(databases=["default"]) == []
    (in_production,) = check_triggers_in_production(databases=["default"])
    assert (in_production.id, in_production.msg) == ("countersign.E006", missing.msg)

    assert protect_tables("--apply") == printed

    assert protect_tables() == ""
    assert check_triggers(databases=["default"]) == check_grants(databases=["default"]) == []
    Group.objects.create(name="by hand")
    assert OutsideChange.objects.get().table_name == "auth_group"


def test_migrate_removes_triggers_that_belong_to_nothing(owner, guarded):
    owner.execute(
        "CREATE FUNCTION audit_track_of_nothing() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO auth_historicalgroup SELECT NEW.*; RETURN NULL; END'"
    )
    for when, name in (("AFTER INSERT", TRACK), ("BEFORE UPDATE", NOT_EMPTIED)):
        owner.execute(
            f"CREATE TRIGGER {name} {when} ON auth_group FOR EACH ROW"
            " EXECUTE FUNCTION audit_track_of_nothing()"
        )
    with pytest.raises(Error, match="auth_historicalgroup"):
        Group.objects.create(name="first")

    in_a_thread(lambda: protect_migrated(using="owner", plan=[]))

    Group.objects.create(name="first")
    owner.execute("DROP FUNCTION audit_track_of_nothing()")


def test_a_table_without_its_trigger_is_not_adopted(owner, guarded):
    owner.execute(f"DROP TRIGGER {TRACK} ON boards_board")

    with pytest.raises(CommandError, match="countersign_protect --apply"):
        adopt(BOARD)

    assert not CommandRecord.objects.filter(message_type="audit.adopt").exists()


def test_without_its_history_a_table_is_not_followed(owner, guarded):
    owner.execute("ALTER TABLE boards_historicalboard RENAME TO elsewhere")
    try:
        in_a_thread(lambda: protect(using="owner"))
        assert protect_tables() == ""
        with outside_command("Its history was dropped"):
            Board.objects.create(id=uuid4(), tenant="t1", name="first")
    finally:
        owner.execute("ALTER TABLE elsewhere RENAME TO boards_historicalboard")
        in_a_thread(lambda: protect(using="owner"))


def test_invalid_guards_are_errors(settings):
    settings.COUNTERSIGN = settings.COUNTERSIGN | {
        "GUARDS": {"none.Such": "off", BOARD: "on", "approvals.Policy": "off"}
    }

    found = [each.id for each in check_history()]

    assert found == ["audit.E018", "audit.E018", "audit.E019"]
