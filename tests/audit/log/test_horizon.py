"""What holds readers of the log back: writers to this database, and nothing else."""

from io import StringIO
from threading import Event, Thread
from uuid import uuid4

import psycopg
import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from apikeys.commands import CreateCustomer
from audit.bus.dispatch import dispatch
from audit.log.feed import Place, horizon, place_of, read_after, writers
from audit.models.records import CommandRecord
from audit.pages.overview import view
from audit.reactions import declarations, workers
from audit.testing import react
from tests.audit.log.conftest import parameters
from tests.audit.reactions.things import Handler, subscribed, touched
from tests.conftest import AS_SYSTEM
from tests.databases import drop_database
from tests.standbys import DATABASE, ask, pair, reached_at
from tests.threads import Crowd, until

TAKE_NUMBER = "SELECT pg_current_xact_id()"


def new_customer():
    return dispatch(CreateCustomer(name=str(uuid4())), context=AS_SYSTEM)


@pytest.fixture
def neighbours(owner):
    """Another database of the same cluster."""
    name = f"{owner.info.dbname}_neighbour"
    owner.execute(f"CREATE DATABASE {name}")
    yield parameters(name)
    drop_database(owner, name)


def delivered():
    return [each.command_id for each in read_after(CommandRecord, Place(), limit=1000)]


def test_a_transaction_in_another_database_does_not_hold_readers_back(neighbours):
    with psycopg.connect(**neighbours) as neighbour:
        neighbour.execute(TAKE_NUMBER)

        command_id = new_customer().command_id

        until(lambda: command_id in delivered())
        neighbour.rollback()


def test_a_neighbour_database_does_not_hold_subscriptions_back(neighbours, monkeypatch):
    monkeypatch.setattr(declarations, "_subscriptions", {})
    monkeypatch.setattr(workers, "_runs", {})
    handler = Handler()
    subscribed(handler)
    with psycopg.connect(**neighbours) as neighbour:
        neighbour.execute(TAKE_NUMBER)
        touched("a")
        react()
        neighbour.rollback()

    assert handler.got == [("a", 1)]


def test_a_transaction_in_this_database_does_also_in_a_savepoint(owner_transaction):
    owner_transaction.execute("SAVEPOINT first")
    owner_transaction.execute(TAKE_NUMBER)

    command_id = new_customer().command_id

    assert command_id not in delivered()
    owner_transaction.rollback()
    until(lambda: command_id in delivered())


def test_one_that_only_reads_does_not(owner_transaction):
    owner_transaction.execute("SELECT count(*) FROM audit_commandrecord")

    command_id = new_customer().command_id

    until(lambda: command_id in delivered())


def test_a_late_commit_is_delivered_while_a_neighbour_holds_the_snapshot(
    neighbours, owner_transaction
):
    with psycopg.connect(**neighbours) as neighbour:
        neighbour.execute(TAKE_NUMBER)
        (ours,) = owner_transaction.execute(TAKE_NUMBER + "::text::bigint").fetchone()
        neighbour.execute(TAKE_NUMBER)

        assert horizon(Place()).place.xid <= ours

        owner_transaction.commit()
        new_customer()
        until(lambda: horizon(Place()).place.xid > ours)
        neighbour.rollback()


def test_concurrent_writers_are_delivered_once_and_completely(neighbours):
    """Eight writers, a neighbour that opens and ends transactions, and a reader beside them."""
    is_over, seen = Event(), []

    def neighbour():
        with psycopg.connect(**neighbours) as other:
            while not is_over.is_set():
                other.execute(TAKE_NUMBER)
                other.execute("SELECT pg_sleep(0.002)")
                other.rollback()

    def reader():
        place = Place()
        while not is_over.is_set() or read_after(CommandRecord, place, limit=1):
            for record in read_after(CommandRecord, place, limit=20):
                seen.append(record.command_id)
                place = place_of(record)
        connection.close()

    threads = [Thread(target=neighbour), Thread(target=reader)]
    for thread in threads:
        thread.start()
    with Crowd(8) as crowd:
        crowd.at_once(*[lambda: [new_customer() for _ in range(20)]] * 8)
    written = set(CommandRecord.objects.values_list("command_id", flat=True))
    until(lambda: len(seen) >= len(written))
    is_over.set()
    for thread in threads:
        thread.join()

    assert len(seen) == len(set(seen)) == len(written) == 160
    assert set(seen) == written


@pytest.mark.edge
def test_prepared_transactions_and_numbers_beyond_32_bits(monkeypatch):
    """On a cluster that is far older, and allows transactions to be prepared."""
    with pair() as servers:
        cluster = servers.primary
        ask(cluster, "ALTER SYSTEM SET max_prepared_transactions = 2")
        cluster.stop()
        cluster.programs.run("pg_resetwal", "-e", "3", "-D", ".", cwd=cluster.directory)
        cluster.start()
        prepare(cluster.url(user="postgres", database="postgres"), "theirs")

        with reached_at(monkeypatch, str(servers.address)):
            first = new_customer().command_id
            until(lambda: first in delivered())
            prepare(cluster.url(user="postgres", database=DATABASE), "ours")
            second = new_customer().command_id

            assert horizon(Place()).place.xid > 3 * 2**32
            assert delivered()[-1:] == [first]
            assert [each.application for each in writers()] == ["prepared transaction ours"]
            ask(cluster, "ROLLBACK PREPARED 'ours'")
            until(lambda: second in delivered())


def prepare(url, name):
    """Prepare a transaction with a number, in the database of the URL."""
    with psycopg.connect(url) as other:
        other.execute(TAKE_NUMBER)
        other.execute("CREATE TABLE tests_prepared (id int)")
        other.execute(f"PREPARE TRANSACTION '{name}'")


@pytest.fixture
def slow_writer(owner_transaction):
    owner_transaction.execute("SET application_name = 'nightly import'")
    owner_transaction.execute(TAKE_NUMBER)
    return owner_transaction


def test_operators_see_who_holds_readers_back(slow_writer):
    out = StringIO()

    call_command("audit_feed", stdout=out)

    assert writers()[0].pid == slow_writer.info.backend_pid
    line = out.getvalue().splitlines()[1]
    assert f"process {slow_writer.info.backend_pid}, nightly import" in line


def test_the_overview_shows_it_to_those_who_see_every_customer(slow_writer, iris, browser):
    everything = User.objects.create_superuser("root")

    seen = browser(everything).get("/audit/overview").content.decode()
    confined = browser(iris).get("/audit/overview").content.decode()

    assert "nightly import" in seen
    assert "nightly import" not in confined


def test_short_transactions_are_not_shown(monkeypatch):
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; SELECT pg_current_xact_id()")

        assert view._slow_writers() == []
        cursor.execute("ROLLBACK")
