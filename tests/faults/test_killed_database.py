"""What is left of acknowledged writes after the whole of PostgreSQL was killed, again and again.

make soak kills it a hundred times.
"""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from tests.clusters import own_cluster
from tests.faults.test_stopped_database import TIMEOUTS, Site, assert_documented
from tests.servers import free_port, serving
from tests.threads import until

pytestmark = pytest.mark.edge

KILLS = int(os.environ.get("DATABASE_KILLS", "2"))
CLIENTS = 4
# Acknowledged between two kills.
WRITES = 20


@pytest.fixture
def cluster():
    with own_cluster() as cluster:
        yield cluster


@pytest.fixture
def site(cluster):
    port = free_port()
    with serving(port, workers=2, **cluster.environment, **TIMEOUTS):
        yield Site(cluster, port)


def test_no_acknowledged_write_is_lost_or_made_twice(site, cluster):
    acknowledged, is_over = {}, Event()

    def write():
        while not is_over.is_set():
            name, (status, headers, body) = site.create()
            assert_documented(status, headers, body, fine=(201,))
            if status == 201:
                acknowledged[name] = json.loads(body)["id"], headers["Command-Id"]

    with ThreadPoolExecutor(CLIENTS) as pool:
        writers = [pool.submit(write) for _ in range(CLIENTS)]
        try:
            for _ in range(KILLS):
                before = len(acknowledged)
                until(lambda: len(acknowledged) >= before + WRITES)  # noqa: B023
                cluster.kill()
            before = len(acknowledged)
            until(lambda: len(acknowledged) >= before + WRITES)
        finally:
            is_over.set()
        for writer in writers:
            writer.result(60)

    keys = dict(cluster.execute("SELECT name, id::text FROM apikeys_apikey"))
    succeeded = [
        str(command_id)
        for (command_id,) in cluster.execute(
            "SELECT command_id FROM audit_commandrecord"
            " WHERE message_type = 'apikeys.create' AND status = 'succeeded'"
        )
    ]
    made = cluster.execute("SELECT name FROM apikeys_apikey")
    assert len({name for (name,) in made}) == len(made)
    assert len(set(succeeded)) == len(succeeded)
    assert {name: keys.get(name) for name in acknowledged} == {
        name: key_id for name, (key_id, _) in acknowledged.items()
    }
    assert {command_id for _, command_id in acknowledged.values()} <= set(succeeded)
