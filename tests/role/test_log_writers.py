"""Rows of the transparency log, which the application's role cannot insert without LOG_KEYS."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.db import ProgrammingError, connection, connections, transaction

from audit.evidence.appending.sequencer import add_leaves
from audit.evidence.models import LogWriter, SignedCheckpoint
from audit.evidence.sequencing import writing
from audit.evidence.sequencing.writing import UnknownWriter
from audit.log.feed import Place, horizon
from tests.following import write
from tests.role.test_forbidden_statements import refuses
from tests.transparency import assert_complete, sequence

INSERTED = [
    line
    for line in (Path(__file__).parent / "log_rows.sql").read_text().splitlines()
    if line and not line.startswith("--")
]
SECRETS = ["''", "'x'", "(SELECT encode(digest, 'hex') FROM audit_logwriter)"]


@pytest.fixture
def log():
    """A log that a worker has written."""
    write(1)
    sequence()


@pytest.mark.parametrize("statement", INSERTED)
def test_the_role_cannot_write_the_log(statement, log):
    for secret in SECRETS:
        refuses(f"SELECT set_config('audit.log_writer', {secret}, true); {statement}")


def test_the_refusal_names_what_is_missing(log):
    with pytest.raises(ProgrammingError, match="audit_leaf: only a process with LOG_KEYS"):
        connection.cursor().execute(INSERTED[0])


def test_the_secret_is_for_one_transaction_and_not_seen_by_others(log):
    with transaction.atomic():
        writing.authorize()
        with connection.cursor() as cursor, connections["default"].copy().cursor() as other:
            cursor.execute("SELECT current_setting('audit.log_writer')")
            (secret,) = cursor.fetchone()
            other.execute("SELECT query FROM pg_stat_activity")
            assert secret not in str(other.fetchall())
            other.connection.close()
        writing.authorize()
        with connections["default"].copy().cursor() as other:
            other.execute("SELECT string_agg(query, ' ') FROM pg_stat_activity")
            (running,) = other.fetchone()
            assert "set_config('audit.log_writer'" in running
            assert secret not in running
            other.connection.close()

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('audit.log_writer', true)")
        assert cursor.fetchone() in (("",), (None,))


def test_a_key_gets_the_right_from_the_former_one(log, configure):
    (old,) = LogWriter.objects.values_list("digest", flat=True)
    before = dict(writing.countersign().log_keys)

    configure(LOG_KEYS={"k2": b"n" * 32, **before})
    sequence_more()
    assert LogWriter.objects.count() == 2

    configure(LOG_KEYS={"k2": b"n" * 32})
    sequence_more()
    (new,) = LogWriter.objects.values_list("digest", flat=True)
    assert bytes(new) != bytes(old)
    assert_complete()


def test_a_process_with_other_keys_is_refused_until_the_owner_migrates(log, configure):
    configure(LOG_KEYS={"k9": b"9" * 32})
    size = SignedCheckpoint.objects.latest("size").size
    write(1)

    with pytest.raises(UnknownWriter, match="run `manage"):
        add_leaves(before=horizon(Place()).place)
    assert SignedCheckpoint.objects.latest("size").size == size
    (error,) = [each for each in run_checks(databases=["default"]) if each.id == "audit.E026"]
    assert "manage.py migrate" in error.hint

    migrate_ends()
    sequence()

    assert SignedCheckpoint.objects.latest("size").size > size
    assert not [each for each in run_checks(databases=["default"]) if each.id == "audit.E026"]


def test_a_run_of_migrate_leaves_known_keys_alone(log):
    before = list(LogWriter.objects.values_list("digest", flat=True))

    migrate_ends()

    assert list(LogWriter.objects.values_list("digest", flat=True)) == before


def test_until_a_process_has_registered_others_may_write(owner):
    """Workers of the release before have no secret, and continue during an upgrade."""
    assert not LogWriter.objects.exists()

    with connection.cursor() as cursor:
        cursor.execute(INSERTED[5])


def sequence_more():
    write(1)
    sequence()


def migrate_ends():
    """Do what migrate does after every run, in a thread: this one has no owner's connection."""

    def run():
        connections["owner"].connect()
        try:
            writing.restore(using="owner", plan=[])
        finally:
            connections["owner"].close()

    ThreadPoolExecutor().submit(run).result()
