"""Relays and brokers that are killed at any moment lose, repeat and reorder nothing."""

import os
import random
import time
from functools import partial

import pytest

from audit.models.records import EventRecord
from audit.models.subscriptions import Setback
from tests.audit.reactions.things import touched
from tests.reacting import Workers
from tests.threads import Crowd, until

pytestmark = pytest.mark.edge

KILLS = int(os.environ.get("RELAY_KILLS", "8"))
THINGS = [f"thing {number}" for number in range(25)]


def left(nats):
    """Return a number that is above zero as long as there is something to do."""
    events = EventRecord.objects.filter(message_type="test.touched").count()
    return events - nats.count() + Setback.objects.count()


def test_killed_relays_and_brokers_lose_repeat_and_reorder_nothing(nats):
    """Two workers that compete; every second round, the broker is killed, too."""
    with Crowd(3) as writers, Workers(nats.url) as workers:
        workers.start()
        workers.start()
        for each in range(KILLS):
            writers.at_once(*(partial(touched, *random.sample(THINGS, 6)) for _ in range(3)))
            time.sleep(random.uniform(0, 0.3))
            workers.kill(random.choice(workers.pids))
            if each % 2:
                nats.kill()
                time.sleep(random.uniform(0, 0.3))
                nats.start()
            workers.start()
        while (before := left(nats)) > 0:
            until(lambda before=before: left(nats) != before)

    records = EventRecord.objects.filter(message_type="test.touched")
    of_event = {each.id: (each.subject_id, each.number) for each in records}
    stored = nats.ids()
    assert len(stored) == len(set(stored))
    assert set(stored) == set(of_event)
    for thing in THINGS:
        numbers = [of_event[each][1] for each in stored if of_event[each][0] == thing]
        assert numbers == list(range(1, len(numbers) + 1))
