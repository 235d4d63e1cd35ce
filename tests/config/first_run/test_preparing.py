"""What a fresh machine is given, and that nothing is taken from one that has its own."""

import base64
import fcntl
import os
import stat
from pathlib import Path

import psycopg
import pytest

from config.first_run import database_roles
from tests.threads import until

pytestmark = pytest.mark.edge

SCRIPT = """
import json, os
from config.first_run import preparing
preparing.prepare()
print(json.dumps(dict(os.environ)))
"""
SECRETS = (
    "SECRET_KEY",
    "PAYLOAD_KEYS",
    "FINGERPRINT_KEY",
    "EVIDENCE_KEY",
    "WEBHOOK_KEYS",
    "LOG_KEYS",
)


@pytest.fixture(scope="module")
def prepared(lasting_process, lasting_home):
    """Return the environments of four processes that met an empty directory at once."""
    processes = [lasting_process(SCRIPT, DATA_DIR=str(lasting_home)) for _ in range(4)]
    return [process.told() for process in processes]


@pytest.fixture
def owner(prepared):
    with psycopg.connect(prepared[0]["MIGRATION_DATABASE_URL"]) as connection:
        yield connection


@pytest.fixture
def application(prepared):
    with psycopg.connect(prepared[0]["DATABASE_URL"]) as connection:
        yield connection


@pytest.mark.parametrize("name", [*SECRETS, "DATABASE_URL", "MIGRATION_DATABASE_URL"])
def test_processes_that_start_at_once_agree(prepared, name):
    assert len({environment[name] for environment in prepared}) == 1


def test_a_start_waits_for_another_one(prepared, lasting_home, process):
    """Before it joins the server, and before it looks for missing roles."""
    url = prepared[0]["DATABASE_URL"]
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    with (
        psycopg.connect(url, user="postgres", dbname="postgres", autocommit=True) as holder,
        (lasting_home / "postgres" / "gate").open() as gate,
    ):
        holder.execute("SELECT pg_advisory_lock(%s)", [database_roles._ADVISORY_LOCK])
        fcntl.flock(gate, fcntl.LOCK_EX)
        other = process(SCRIPT, DATA_DIR=str(lasting_home))
        until(lambda: f":{os.fstat(gate.fileno()).st_ino} " in waiters())
        assert holder.execute(waiting).fetchone() == (0,)

        fcntl.flock(gate, fcntl.LOCK_UN)
        until(lambda: holder.execute(waiting).fetchone() == (1,))
        holder.execute("SELECT pg_advisory_unlock_all()")

        assert other.told()["DATABASE_URL"] == url


def waiters():
    """The lines of the processes that wait for a lock on a file."""
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return "\n".join(line for line in lines if "->" in line)


def test_secrets_are_long_and_random(prepared):
    environment = prepared[0]

    key_id, _, payload_key = environment["PAYLOAD_KEYS"].partition(":")

    assert len(environment["SECRET_KEY"]) >= 50
    assert key_id == "k1"
    assert len(base64.b64decode(payload_key, validate=True)) == 32
    assert len(base64.b64decode(environment["FINGERPRINT_KEY"], validate=True)) == 32


def test_secrets_are_kept_for_the_next_run_readable_by_their_owner_only(
    prepared, lasting_home, process
):
    kept = lasting_home / "environment"

    again = process(SCRIPT, DATA_DIR=str(lasting_home)).told()

    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert [again[name] for name in SECRETS] == [prepared[0][name] for name in SECRETS]


def test_a_missing_secret_is_generated_once_and_the_others_are_kept(
    prepared, lasting_home, process
):
    kept = lasting_home / "environment"
    before = kept.read_text()
    kept.write_text("".join(line for line in before.splitlines(True) if "EVIDENCE" not in line))

    first = process(SCRIPT, DATA_DIR=str(lasting_home)).told()
    again = process(SCRIPT, DATA_DIR=str(lasting_home)).told()

    kept.write_text(before)
    (lasting_home / "environment-2").unlink()
    assert first["EVIDENCE_KEY"] == again["EVIDENCE_KEY"] != prepared[0]["EVIDENCE_KEY"]
    assert first["SECRET_KEY"] == prepared[0]["SECRET_KEY"]


def test_variables_of_the_environment_take_precedence(prepared, lasting_home, process):
    environment = process(
        SCRIPT, DATA_DIR=str(lasting_home), HTTPS="true", SECRET_KEY="mine"
    ).told()

    assert environment["HTTPS"] == "true"
    assert environment["SECRET_KEY"] == "mine"


def test_development_defaults_stay_on_this_machine_and_never_debug(prepared):
    environment = prepared[0]

    assert environment["ALLOWED_HOSTS"] == "localhost,127.0.0.1,[::1]"
    assert environment["HTTPS"] == "false"
    assert "DEBUG" not in environment


def test_variables_of_another_server_are_dropped(lasting_home, prepared, process):
    environment = process(SCRIPT, DATA_DIR=str(lasting_home), PGSERVICE="elsewhere").told()

    assert "PGSERVICE" not in environment


def test_no_role_is_a_superuser_or_may_create_roles(owner):
    roles = owner.execute(
        "SELECT rolname, rolcanlogin, rolcreatedb, rolsuper, rolcreaterole, rolreplication,"
        " rolbypassrls FROM pg_roles WHERE rolname LIKE 'countersign%' ORDER BY rolname"
    ).fetchall()

    assert roles == [
        ("countersign_app", True, False, False, False, False, False),
        ("countersign_owner", True, True, False, False, False, False),
    ]


def test_the_owner_can_create_tables(owner):
    owner.execute("CREATE TABLE made ()")

    owner.rollback()


def test_the_application_cannot_create_tables(application):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        application.execute("CREATE TABLE made ()")


def test_nothing_is_started_with_a_database_url(process, home):
    environment = process(SCRIPT, DATA_DIR=str(home), DATABASE_URL="postgresql://x@/y").told()

    assert environment["DATABASE_URL"] == "postgresql://x@/y"
    assert not set(SECRETS) & set(environment)
    assert list(home.iterdir()) == []


def test_importing_the_settings_starts_nothing(process, home):
    error = process("import config.settings", DATA_DIR=str(home)).leave()

    assert "DATABASE_URL is missing" in error
    assert list(home.iterdir()) == []


def test_an_unusable_directory_is_refused_with_remedies(process, home):
    (home / "file").touch()

    error = process(SCRIPT, DATA_DIR=str(home / "file" / "below")).leave()

    assert "Set DATA_DIR to your own directory, or DATABASE_URL" in error
