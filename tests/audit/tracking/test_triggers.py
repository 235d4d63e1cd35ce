"""The database writes history for every way of changing a row, and nothing else can write it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError, Error, connection, connections, transaction

from apikeys.commands import CreateApiKey, DisableApiKey, EnableApiKey
from apikeys.models import ApiKey, ApiKeySecret
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest
from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.management.migrating import _execute
from audit.models.records import CommandRecord, EventRecord, StreamHead
from audit.outside import outside_command
from audit.tracking.migrations import begin_migrating, editor
from audit.tracking.protection import protect_migrated
from audit.tracking.triggers import check_filled, function_name
from tests.boards.models import Board, Card, Label
from tests.books import assert_balanced
from tests.conftest import AS_SYSTEM, actor, approved, completed, held
from tests.probes import deed, to
from tests.role.test_forbidden_statements import protect_again
from tests.severed import refusing

FUNCTION = function_name("boards_board")
NAME_A_COMMAND = "SELECT set_config('audit.command_id', gen_random_uuid()::text, true)"


def board(**fields):
    return Board.objects.create(id=uuid4(), tenant="t1", **({"name": "first"} | fields))


@pytest.fixture
def first():
    with outside_command("A board for a test"):
        return board()


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values or None)


def changes(history, of=None):
    """Return the type and the name of each history row, oldest first."""
    rows = history.filter(id=of) if of else history
    return list(rows.order_by("history_id").values_list("history_type", "name"))


def number(subject_id):
    return StreamHead.objects.filter(subject_id=str(subject_id)).values_list("number", flat=True)[0]


def test_orm_bulk_raw_sql_and_copy_leave_history(first):
    with outside_command("Every way"):
        first.name = "saved"
        first.save()
        Board.objects.filter(pk=first.pk).update(name="updated")
        first.name = "bulk"
        Board.objects.bulk_update([first], ["name"])
        sql("""UPDATE boards_board SET "Board name" = 'raw'""")
        Board.objects.bulk_create([Board(id=uuid4(), tenant="t1", name="created")])
        with connection.cursor() as cursor:
            columns = 'id, tenant, "Board name", kind, price'
            with cursor.copy(f"COPY boards_board ({columns}) FROM STDIN") as copy:
                copy.write_row((uuid4(), "t1", "copied", "", 0))
        Board.objects.filter(pk=first.pk).delete()

    names = ("first", "saved", "updated", "bulk", "raw", "raw")
    assert changes(Board.history, of=first.pk) == list(zip("+~~~~-", names, strict=True))
    assert ("+", "created") in changes(Board.history)
    assert ("+", "copied") in changes(Board.history)


def test_merge_upsert_and_a_changed_key_leave_history(first):
    other, key = uuid4(), first.pk
    with outside_command("Every way"):
        sql(
            "MERGE INTO boards_board USING (SELECT %s::uuid AS id) AS given ON given.id ="
            """ boards_board.id WHEN MATCHED THEN UPDATE SET "Board name" = 'merged'""",
            key,
        )
        sql(
            """INSERT INTO boards_board (id, tenant, "Board name", kind, price)"""
            """ VALUES (%s, 't1', 'x', '', 0)"""
            """ ON CONFLICT (id) DO UPDATE SET "Board name" = 'upserted'""",
            key,
        )
        sql("UPDATE boards_board SET id = %s", other)

    assert changes(Board.history, of=key) == [
        ("+", "first"),
        ("~", "merged"),
        ("~", "upserted"),
        ("-", "upserted"),
    ]
    assert changes(Board.history, of=other) == [("+", "upserted")]
    assert (number(key), number(other)) == (2, 1)


def test_the_same_row_twice_in_one_command_is_in_order(first):
    with outside_command("Twice"):
        for name in ("second", "third"):
            Board.objects.update(name=name)

    rows = list(Board.history.order_by("history_date"))
    assert [row.name for row in rows] == ["first", "second", "third"]
    assert rows == sorted(rows, key=lambda row: row.history_id)


def test_a_savepoint_that_is_rolled_back_takes_its_history_along(first):
    with outside_command("Half of it"):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Board.objects.update(name="undone" * (1 // (Board.objects.update(name="undone") - 1)))
        Board.objects.update(name="kept")

    assert changes(Board.history) == [("+", "first"), ("~", "kept")]


def test_links_and_cascades_leave_history_and_advance_the_whole(first):
    label = Label.objects.create(name="urgent")
    with outside_command("Parts"):
        first.labels.add(label)
        Card.objects.create(id=uuid4(), board=first, text="one")
    before = number(first.pk)
    with outside_command("The end"):
        Board.objects.filter(pk=first.pk).delete()

    links = Board.labels.through.history.order_by("history_id")
    assert list(links.values_list("history_type", "label_id")) == [("+", label.pk), ("-", label.pk)]
    assert [row.history_type for row in Card.history.order_by("history_id")] == ["+", "-"]
    assert before == 2
    event = EventRecord.objects.filter(subject_type="board").latest("number")
    assert (event.number, event.data["outside_deletion"]) == (3, True)


@deed
def describe_enable_and_describe_again(command, context):
    key = ApiKey.objects.locked(pk=command.api_key_id)
    key.description = "before"
    key.save(update_fields=["description"])
    dispatch(EnableApiKey(api_key_id=key.pk))
    ApiKey.objects.filter(pk=key.pk).update(description="after")


def test_nested_commands_each_stamp_their_own(first_key):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    outcome = dispatch(
        to(describe_enable_and_describe_again, first_key.id),
        context=Context(actor=SYSTEM, reason="Outer"),
    )

    before, enabled, after = list(ApiKey.history.order_by("history_id"))[-3:]
    assert before.history_command_id == after.history_command_id == outcome.command_id
    assert enabled.history_command_id != outcome.command_id
    assert (before.history_change_reason, after.description) == ("Outer", "after")
    assert {each.history_attempt for each in (before, enabled, after)} == {1}
    assert_balanced()


def test_the_serving_role_cannot_write_history_itself(first_key):
    refused = pytest.raises(Error, match="permission denied")
    with outside_command("By hand"), refused, transaction.atomic():
        sql("INSERT INTO apikeys_historicalapikey SELECT * FROM apikeys_historicalapikey")


def test_not_even_the_owner_writes_history_by_accident(first_key, owner):
    with owner.transaction(force_rollback=True):
        owner.execute(NAME_A_COMMAND)
        with pytest.raises(Exception, match="written by the database only"):
            owner.execute(
                "INSERT INTO boards_historicalboard (id, tenant, kind, price, history_date,"
                " history_type) VALUES (gen_random_uuid(), '', '', 0, now(), '+')"
            )


def test_the_serving_role_cannot_borrow_a_trigger_function(owner):
    role, database = connection.settings_dict["USER"], connection.settings_dict["NAME"]
    owner.execute(f'GRANT TEMPORARY ON DATABASE "{database}" TO {role}')
    try:
        with pytest.raises(Error, match="permission denied for function"):
            sql(
                "CREATE TEMPORARY TABLE forged (LIKE public.boards_board);"
                "CREATE TRIGGER forged AFTER INSERT ON forged"
                f" FOR EACH ROW EXECUTE FUNCTION {FUNCTION}()"
            )
    finally:
        owner.execute(f'REVOKE TEMPORARY ON DATABASE "{database}" FROM {role}')


def test_shadowing_by_temporary_objects_does_not_reach_it(first, owner):
    role, database = connection.settings_dict["USER"], connection.settings_dict["NAME"]
    owner.execute(f'GRANT TEMPORARY ON DATABASE "{database}" TO {role}')
    try:
        with outside_command("Shadowed"):
            sql(
                "CREATE TEMPORARY TABLE boards_historicalboard (LIKE public.boards_historicalboard)"
            )
            sql("CREATE TEMPORARY TABLE audit_streamhead (LIKE public.audit_streamhead)")
            sql(
                "CREATE FUNCTION pg_temp.clock_timestamp() RETURNS timestamptz LANGUAGE sql"
                " RETURN '2000-01-01'::timestamptz"
            )
            sql("SET LOCAL search_path = pg_temp, public")
            sql("""UPDATE public.boards_board SET "Board name" = 'shadowed'""")
            sql("SET LOCAL search_path = public, pg_temp")
            sql("DROP TABLE pg_temp.boards_historicalboard, pg_temp.audit_streamhead")
    finally:
        owner.execute(f'REVOKE TEMPORARY ON DATABASE "{database}" FROM {role}')
        connection.close()

    assert changes(Board.history) == [("+", "first"), ("~", "shadowed")]
    assert Board.history.latest("history_id").history_date.year > 2000


@contextmanager
def altered(owner, *statements, back):
    try:
        for statement in statements:
            owner.execute(statement)
        yield
    finally:
        for statement in back:
            owner.execute(statement)
        protect_again()


ADD, ADD_TO_HISTORY = (
    f"ALTER TABLE boards_{table} ADD COLUMN extra text" for table in ("board", "historicalboard")
)
DROP = [f"ALTER TABLE boards_{table} DROP COLUMN extra" for table in ("board", "historicalboard")]


@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize("order", [(ADD, ADD_TO_HISTORY), (ADD_TO_HISTORY, ADD)])
def test_a_lagging_function_fails_until_it_is_generated_again(first, owner, order, is_warm):
    if not is_warm:
        connection.close()

    with altered(owner, *order, back=DROP):
        with pytest.raises(Error), outside_command("Lagging"):
            Board.objects.update(name="lost")
        protect_again()
        with outside_command("Generated again"):
            sql("UPDATE boards_board SET extra = 'kept'")

        extra = owner.execute(
            "SELECT extra FROM boards_historicalboard ORDER BY history_id DESC LIMIT 1"
        ).fetchone()
    assert extra == ("kept",)


@contextmanager
def migrating():
    """Yield a function that executes a statement as a migration without a transaction does."""

    def execute(statement):
        owner = connections["owner"]
        if owner.connection is None:
            owner.connect()
        with owner.execute_wrapper(_execute), owner.schema_editor(atomic=False) as editor:
            editor.execute(statement)

    # In a thread of its own: pytest-django forbids this one the owner's connection.
    with ThreadPoolExecutor(1) as thread:
        yield lambda statement: thread.submit(execute, statement).result()
        thread.submit(connections.close_all).result()


def test_a_migration_without_a_transaction_lets_writes_go_on(first, owner):
    def write(name):
        with outside_command("Meanwhile"):
            sql("""UPDATE boards_board SET "Board name" = %s""", name)

    with altered(owner, back=[ADD, ADD_TO_HISTORY, *DROP]), migrating() as execute:
        for statement in (ADD, ADD_TO_HISTORY, *DROP, ADD_TO_HISTORY, ADD):
            execute(statement)
            write(statement)
        with outside_command("Afterwards"):
            sql("UPDATE boards_board SET extra = 'kept'")
        kept = owner.execute("SELECT extra FROM boards_historicalboard ORDER BY history_id DESC")
        assert kept.fetchone() == ("kept",)
        for statement in DROP[::-1]:
            execute(statement)

    assert len(changes(Board.history)) == 8


REQUIRED = "ADD COLUMN extra text NOT NULL DEFAULT ''"


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE boards_board RENAME COLUMN kind TO sort"],
        ["ALTER TABLE boards_historicalboard RENAME kind TO sort"],
        ["ALTER TABLE boards_board DROP COLUMN tenant"],
        [
            f"ALTER TABLE boards_historicalboard {REQUIRED}",
            "ALTER TABLE boards_historicalboard ALTER COLUMN extra DROP DEFAULT",
        ],
        # Optional: writes would go on, without its values in the history.
        [ADD, ADD_TO_HISTORY, "ALTER TABLE boards_board RENAME extra TO more"],
    ],
)
def test_a_migration_without_a_transaction_cannot_stop_writes(first, owner, statements):
    back = [each.replace("COLUMN", "COLUMN IF EXISTS") for each in DROP]
    with altered(owner, back=back), migrating() as execute:
        for statement in statements[:-1]:
            execute(statement)
        with pytest.raises(ImproperlyConfigured, match="in one transaction"):
            execute(statements[-1])
        with outside_command("Meanwhile"):
            sql("UPDATE boards_board SET kind = 'written'")

    assert Board.history.latest("history_id").kind == "written"


def test_a_history_with_a_column_that_nothing_fills_is_reported(owner):
    with (
        altered(owner, ADD_TO_HISTORY, back=DROP[1:]),
        owner.cursor() as cursor,
        pytest.raises(ImproperlyConfigured, match="historicalboard cannot be filled"),
    ):
        check_filled(cursor)


@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize(
    ("change", "back"),
    [
        ("ALTER TABLE {} RENAME COLUMN kind TO sort", "ALTER TABLE {} RENAME COLUMN sort TO kind"),
        (
            "ALTER TABLE {} DROP COLUMN kind",
            "ALTER TABLE {} ADD COLUMN kind text NOT NULL DEFAULT ''",
        ),
    ],
)
def test_dropping_or_renaming_a_column_without_generating_again_fails(
    first, owner, change, back, is_warm
):
    tables = ("boards_board", "boards_historicalboard")
    if not is_warm:
        connection.close()

    with (
        altered(owner, *map(change.format, tables), back=[*map(back.format, tables)]),
        pytest.raises(Error),
        outside_command("Lagging"),
    ):
        sql("""UPDATE boards_board SET "Board name" = 'lost'""")


def test_another_type_is_taken_over(first, owner):
    tables = ("boards_board", "boards_historicalboard")
    change, back = (
        [f"ALTER TABLE {table} ALTER COLUMN kind TYPE {kind}" for table in tables]
        for kind in ("varchar(7)", "text")
    )
    with altered(owner, *change, back=back):
        protect_again()
        with outside_command("Another type"):
            Board.objects.update(kind="short")

    assert Board.history.latest("history_id").kind == "short"


def test_a_partitioned_table_has_its_history(owner):
    with altered(
        owner,
        "ALTER TABLE boards_board RENAME TO boards_plain",
        "CREATE TABLE boards_board (LIKE boards_plain) PARTITION BY LIST (tenant)",
        "CREATE TABLE boards_t1 PARTITION OF boards_board FOR VALUES IN ('t1')",
        "CREATE TABLE boards_t2 PARTITION OF boards_board FOR VALUES IN ('t2')",
        back=["DROP TABLE boards_board", "ALTER TABLE boards_plain RENAME TO boards_board"],
    ):
        protect_again()
        with outside_command("Into a partition"):
            made = board()
        with outside_command("Into another one"):
            Board.objects.update(tenant="t2")

    rows = Board.history.filter(id=made.pk).order_by("history_id")
    assert [row.tenant for row in rows][-1] == "t2"
    assert {row.history_type for row in rows} <= {"+", "~", "-"}


def test_truncate_is_refused(first_key, owner):
    with owner.transaction(force_rollback=True):
        owner.execute(NAME_A_COMMAND)
        with pytest.raises(Exception, match="TRUNCATE would leave none"):
            owner.execute("TRUNCATE apikeys_apikey CASCADE")


def test_settings_do_not_leak_into_the_next_transaction(first_key):
    dispatch(
        DisableApiKey(api_key_id=first_key.id), context=Context(actor=SYSTEM, reason="Leaked?")
    )

    with pytest.raises(Error, match="inside a command only"), transaction.atomic():
        ApiKey.objects.update(name="leaked")
    with connection.cursor() as cursor:
        for name in ("reason", "actor_kind", "actor_label", "attempt"):
            cursor.execute(f"SELECT current_setting('audit.{name}', true)")
            assert cursor.fetchone() == ("",)


def test_a_deferred_constraint_that_fails_at_commit_takes_history_along(first):
    with pytest.raises(Error), outside_command("Without a board"):
        Card.objects.create(id=uuid4(), board_id=uuid4(), text="lost")

    assert not Card.history.exists()
    assert not CommandRecord.objects.filter(reason="Without a board").exists()


def test_a_change_without_an_event_advances_the_number_by_one(first_key):
    before = number(first_key.id)

    unlogged_update(first_key.id, name="one")
    unlogged_update(first_key.id, name="two")

    assert number(first_key.id) == before + 2


def test_a_command_with_an_event_advances_it_by_one(first_key):
    before = number(first_key.id)

    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    assert number(first_key.id) == before + 1
    assert EventRecord.objects.filter(subject_id=str(first_key.id)).latest("number").number == (
        before + 1
    )


def test_the_next_event_follows_an_unlogged_change(first_key):
    unlogged_update(first_key.id, name="one")

    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    events = EventRecord.objects.filter(subject_id=str(first_key.id)).order_by("number")
    assert list(events.values_list("number", flat=True)) == [1, 3]


def test_a_change_of_a_part_advances_the_whole(first_key):
    before = number(first_key.id)

    with transaction.atomic():
        sql(NAME_A_COMMAND)
        ApiKeySecret.objects.filter(api_key_id=first_key.id).update(created_at="2020-01-01T00:00Z")

    assert number(first_key.id) == before + 1


def test_a_number_cannot_be_taken_without_a_change(first_key):
    for change in ("paid_in = pg_current_xact_id()", "number = number", "paid_in = NULL"):
        with pytest.raises(Error, match="only move forward"):
            sql(f"BEGIN; {NAME_A_COMMAND}; UPDATE audit_streamhead SET {change}")
        sql("ROLLBACK")


def test_without_a_command_the_actor_is_outside(first, owner):
    owner.execute("ALTER TABLE boards_board DISABLE TRIGGER audit_guard")
    try:
        Board.objects.update(name="past the guard")
    finally:
        owner.execute("ALTER TABLE boards_board ENABLE TRIGGER audit_guard")

    row = Board.history.latest("history_id")
    assert (row.history_actor_kind, row.history_actor_label) == ("outside", "outside")
    assert (row.history_command_id, row.name) == (None, "past the guard")
    assert number(first.pk) == 2


def test_a_malformed_command_id_is_an_error(first):
    with transaction.atomic():
        sql("SELECT set_config('audit.command_id', 'x', true)")
        with pytest.raises(DataError, match="uuid"), transaction.atomic():
            Board.objects.update(name="lost")


def test_the_votes_and_the_replay_each_stamp_their_own(
    first_key, disabling_needs_two, dana, ann, bob, context_of
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))

    approved(request, ann, bob)

    row, settled = ApiKey.history.latest("history_id"), ApprovalRequest.history.latest("history_id")
    assert row.history_command_id == request.command_id
    assert (row.history_attempt, row.history_actor_label) == (2, "dana")
    assert settled.history_actor_label == "bob"


def test_a_repeat_after_a_failure_stamps_the_first_id(dana, acme, owner):
    def create():
        command = CreateApiKey(customer_id=acme.pk, owner_id=dana.pk, name="ci")
        return dispatch(command, context=Context(actor=actor(dana), idempotency_key="once"))

    with refusing(owner, "apikeys_apikey"), pytest.raises(Exception):  # noqa: B017
        create()
    second = create()

    row = ApiKey.history.get(name="ci")
    assert (row.history_command_id, row.history_attempt) == (second.command_id, 2)


def unlogged_update(key_id, **fields):
    with transaction.atomic():
        sql(NAME_A_COMMAND)
        ApiKey.objects.filter(pk=key_id).update(**fields)


def test_a_change_of_silent_fields_alone_leaves_no_history(
    first_key, disabling_needs_two, dana, ann, context_of
):
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    completed(
        Approve(approval_request_id=request.pk, digest=request.digest), context=context_of(ann)
    )

    with transaction.atomic():
        sql(NAME_A_COMMAND)
        sql("UPDATE approvals_approvalrequest SET outcome = 'x', voters = '{}'")

    request.refresh_from_db()
    assert [row.outcome for row in ApprovalRequest.history.order_by("history_id")] == ["", "x"]


@pytest.mark.parametrize("attaches", [True, False])
def test_a_migration_attaches_missing_triggers_only_by_a_command_of_ours(first, owner, attaches):
    def migrate():
        connection = connections["owner"]
        connection.connect()
        if attaches:
            vars(connection)["SchemaEditorClass"] = editor(connection, attaches_triggers=True)
        begin_migrating(using="owner")
        try:
            with connection.schema_editor(), outside_command("Backfill", using="owner"):
                Board.objects.using("owner").update(kind="written")
        finally:
            vars(connection).pop("SchemaEditorClass", None)
            connections.close_all()

    number = Board.history.count()
    owner.execute("DROP TRIGGER audit_track ON boards_board")
    try:
        ThreadPoolExecutor().submit(migrate).result()
        attached = "SELECT FROM pg_trigger WHERE tgname = 'audit_track' AND tgrelid = %s::regclass"
        assert owner.execute(attached, ["boards_board"]).rowcount == attaches
    finally:
        protect_again()

    assert Board.objects.get().kind == "written"
    assert Board.history.count() == number + attaches


def test_djangos_own_migrate_lets_the_next_migration_write(first, owner):
    def migrate():
        connection = connections["owner"]
        connection.connect()
        begin_migrating(using="owner")
        with connection.schema_editor() as editing:
            editing.execute(ADD)
            editing.execute(ADD_TO_HISTORY)
        with connection.schema_editor(), outside_command("Backfill", using="owner"):
            Board.objects.using("owner").update(kind="written")
        protect_migrated(using="owner")
        assert "SchemaEditorClass" not in vars(connection)
        connections.close_all()

    with altered(owner, back=DROP):
        ThreadPoolExecutor().submit(migrate).result()

    assert Board.history.latest("history_id").kind == "written"
