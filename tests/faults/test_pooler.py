"""Countersign behind a real PgBouncer in transaction mode, set up as docs/operations.md says."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from audit.models.records import CommandRecord, EventRecord
from audit.wire.statements import Statement
from tests.books import assert_balanced
from tests.poolers import needs_pgbouncer, pooling
from tests.servers import environment, free_port, serving

pytestmark = pytest.mark.edge

CLIENTS, ROUNDS = 6, 10
TCP_OPTIONS = {
    "alive": (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    "idle": (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    "interval": (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    "count": (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    "unanswered": (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
}
# Another client takes the server on which the cursor was declared.
READ_WHILE_OTHERS_WORK = """
import django; django.setup()
import psycopg
from django.db import connection
from audit.models.records import CommandRecord
rows = CommandRecord.objects.order_by("position").iterator(chunk_size=1)
next(rows)
other = psycopg.connect(connection.connection.info.dsn)
other.execute("SELECT 1")
print(1 + len(list(rows)))
other.close()
"""
FOLLOW = """
import django; django.setup()
from audit.domain import reacts_to, relays
from audit.installation.settings import countersign
from audit.reactions import declarations, workers
from audit.testing import react
from django.conf import settings
from tests.audit.reactions.relays.memory import Stream
for each in (declarations._subscriptions, workers._runs, workers._long_runs):
    each.clear()
stream, inside, outside = Stream(), [], []
broker = "tests.audit.reactions.relays.memory.MemoryBroker"
settings.COUNTERSIGN["BROKERS"] = {"memory": {"BACKEND": broker, "OPTIONS": {"stream": stream}}}
countersign.cache_clear()
reacts_to("apikeys.*", name="test.inside")(lambda _, delivery: inside.append(delivery.id))
reacts_to("apikeys.*", name="test.outside", outside=True)(lambda _, each: outside.append(each.id))
relays("apikeys.*", name="test.relay", to="memory")(lambda event, _: event)
react()
print(len(inside), len(outside), len(stream.events))
"""


@pytest.fixture
def pooler(clean_database):
    """PgBouncer in front of the test database: the directory of its socket, and its port."""
    database = connection.settings_dict
    names = {"host": database["HOST"], "port": database["PORT"], "user": database["USER"]}
    # Not pytest's own directory: the path of a socket may be no longer than 103 bytes.
    with tempfile.TemporaryDirectory() as directory, pooling(Path(directory), **names) as found:
        yield found


@pytest.fixture
def pooled(pooler):
    """The environment of a process that reaches the test database through PgBouncer."""
    host, port = pooler
    database = connection.settings_dict
    name, place = database["NAME"], f"host={quote(host)}&port={port}"
    url = f"postgresql://{database['USER']}@/{name}?{place}"
    return environment() | {"DATABASE_URL": url, "DATABASE_PREPARED_STATEMENTS": "false"}


def test_a_prepared_statement_has_the_same_name_in_every_process_and_no_other_sql_has_it():
    first, same, other = (Statement(f"SELECT {each}, %s::text") for each in (1, 1, 2))

    assert first.name == same.name
    assert first.name != other.name
    # PostgreSQL compares the first 63 bytes.
    assert len(first.name) <= 63


@needs_pgbouncer
def test_commands_of_more_clients_than_pooled_connections_succeed(pooled, first_key):
    port = free_port()

    def work(client):
        return [post(port, "/api/v2/api-keys", f"{client}-{i}", first_key) for i in range(ROUNDS)]

    with serving(port, **pooled), ThreadPoolExecutor(CLIENTS) as clients:
        statuses = [status for each in clients.map(work, range(CLIENTS)) for status in each]

    assert statuses == [201] * CLIENTS * ROUNDS
    created = CommandRecord.objects.filter(message_type="apikeys.create", channel="v2")
    assert created.count() == CLIENTS * ROUNDS
    assert_balanced()


@needs_pgbouncer
def test_rows_are_read_in_chunks_without_a_cursor_of_the_server(pooled, first_key):
    told = run(pooled, "-c", READ_WHILE_OTHERS_WORK)

    assert told.splitlines()[0] == str(CommandRecord.objects.count())


@needs_pgbouncer
def test_subscriptions_and_relays_need_no_session(pooled, first_key):
    count = EventRecord.objects.filter(message_type__startswith="apikeys.").count()

    assert run(pooled, "-c", FOLLOW).split()[:3] == [str(count)] * 3


@needs_pgbouncer
def test_dropped_startup_options_are_reported_with_the_statements_that_replace_them(pooled):
    check = ("manage.py", "check", "--deploy", "--database", "default")

    told = run(pooled, *check)
    direct = run(environment(), *check)

    role = connection.settings_dict["USER"]
    assert "config.W001" in told
    assert "database session lacks settings" in told
    # PostgreSQL's default, unless the role has it otherwise.
    others = settings.DATABASE_SESSION_SETTINGS.items() - {("default_transaction_read_only", "off")}
    for name, value in others:
        quoted = value.replace(", ", "', '")
        assert f"ALTER ROLE {role} SET {name} = '{quoted}';" in told
    assert "config.W001" not in direct
    assert "lacks settings" not in direct


@needs_pgbouncer
def test_a_role_with_the_documented_settings_needs_no_startup_options(pooled):
    page = (settings.BASE_DIR / "docs/operations.md").read_text()
    documented = re.findall(r"^ALTER ROLE countersign_app (SET .+);$", page, re.MULTILINE)
    here = f"ALTER ROLE CURRENT_USER IN DATABASE {connection.settings_dict['NAME']}"
    with connection.cursor() as cursor:
        for statement in documented:
            cursor.execute(f"{here} {statement}")
        try:
            told = run(pooled, "manage.py", "check", "--deploy", "--database", "default")
        finally:
            cursor.execute(f"{here} RESET ALL")

    assert len(documented) >= 5
    assert "config.W001" not in told


@needs_pgbouncer
def test_a_connection_over_tcp_notices_a_dead_peer(pooler, monkeypatch):
    _, port = pooler
    monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connection.settings_dict, "PORT", str(port))
    with closing(connection.copy()) as copy:
        copy.ensure_connection()
        with socket.socket(fileno=os.dup(copy.connection.pgconn.socket)) as tcp:
            options = {name: tcp.getsockopt(*each) for name, each in TCP_OPTIONS.items()}

    assert options == {"alive": 1, "idle": 10, "interval": 3, "count": 3, "unanswered": 10_000}


def run(env, *arguments):
    """Return what a Python process writes, which must succeed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.BASE_DIR,
        env=env | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr


def post(port, path, name, key):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Content-Type": "application/json", **key.headers}
    client.request("POST", path, json.dumps({"name": name}), headers)
    status = client.getresponse().status
    client.close()
    return status
