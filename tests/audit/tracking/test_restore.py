"""A restored dump has each history row once; data alone cannot be restored past the triggers."""

import subprocess

import psycopg
import pytest
from django.db import connection

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from audit.bus.dispatch import dispatch
from config.first_run import postgres_programs
from tests.audit.management.test_migrate import owner_url_of
from tests.conftest import AS_SYSTEM
from tests.databases import drop_database

pytestmark = pytest.mark.edge


@pytest.fixture
def other(owner):
    name = f"{owner.info.dbname}_restored"
    owner.execute(f"CREATE DATABASE {name}")
    yield owner_url_of(name)
    drop_database(owner, name)


def restored(source, target, *options):
    """Restore a dump of one database into another one; return what went wrong."""
    programs = postgres_programs.find(account=None).directory
    dump = subprocess.run(
        [programs / "pg_dump", "-Fc", "--no-owner", "--no-privileges", *options, source],
        capture_output=True,
        check=True,
    )
    restore = subprocess.run(
        [programs / "pg_restore", "--exit-on-error", "--no-owner", "-d", target],
        input=dump.stdout,
        capture_output=True,
        check=False,
    )
    return restore.stderr.decode() if restore.returncode else ""


def test_dump_and_restore_double_nothing(owner, other, first_key):
    dispatch(DisableApiKey(api_key_id=first_key.id), context=AS_SYSTEM)

    problem = restored(owner_url_of(owner.info.dbname), other)

    assert problem == ""
    with psycopg.connect(other) as copy:
        (rows,) = copy.execute("SELECT count(*) FROM apikeys_historicalapikey").fetchone()
    assert rows == ApiKey.history.count() == 2


def test_data_alone_is_refused_loudly(owner, other, first_key):
    source = owner_url_of(connection.settings_dict["NAME"])
    assert restored(source, other, "--schema-only") == ""

    problem = restored(source, other, "--data-only", "--table=apikeys_*")

    assert "may change inside a command only" in problem
