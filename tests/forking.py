"""`python -m tests.forking` forks a worker for each line that it reads, and prints its process id.

Forked workers start at once. Their function notes an effect, and then fails for some events. With
the URL of a NATS server, a relay publishes the events instead.
"""

import os
import signal
import sys
import threading
import time
from dataclasses import replace

import django

django.setup()

from django.conf import settings  # noqa: E402  # after the setup
from django.db import connection  # noqa: E402  # after the setup

from audit.installation.settings import countersign  # noqa: E402  # after the setup
from audit.reactions import declarations, workers  # noqa: E402  # after the setup
from audit.reactions.declarations import reacts_to  # noqa: E402  # after the setup
from audit.reactions.relays.declarations import relays  # noqa: E402  # after the setup
from tests.audit.reactions.things import Touched  # noqa: E402  # after the setup
from tests.brokers import ADAPTER, STREAM  # noqa: E402  # after the setup
from tests.reacting import TABLE  # noqa: E402  # after the setup

_FAILURES = 2


def insert(event, delivery):
    values = [delivery.id, delivery.subject_id, delivery.number]
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} VALUES (DEFAULT, %s, %s, %s)", values)
    if delivery.id.int % 50 == 0 and delivery.attempt <= _FAILURES:
        message = "it failed"
        raise RuntimeError(message)


def relayed(event, delivery):
    return event


def end_with_parent(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


declarations._subscriptions.clear()
workers._runs.clear()
workers._long_runs.clear()
workers.LOOK_SECONDS = 0.1
if sys.argv[1:]:
    (url,) = sys.argv[1:]
    options = {"servers": url, "stream": STREAM, "timeout": 1}
    settings.COUNTERSIGN["BROKERS"] = {"events": {"BACKEND": ADAPTER, "OPTIONS": options}}
    countersign.cache_clear()
    relays("test.*", name="test.relay", to="events", starts="beginning", batch=20)(relayed)
    # A lease that is shorter than a call may take: workers also lose it while they publish.
    relay = declarations._subscriptions["test.relay"]
    hasty = replace(relay, lease_seconds=1, backoff=(0.05,) * 5)
    declarations._subscriptions["test.relay"] = hasty
else:
    declare = reacts_to(
        Touched, name="test.effects", starts="beginning", partitions=3, backoff=(0.01,) * 50
    )
    declare(insert)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
parent = os.getpid()
for _ in sys.stdin:
    pid = os.fork()
    if pid == 0:
        threading.Thread(target=end_with_parent, args=(parent,), daemon=True).start()
        workers.work(stop=threading.Event())
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()
