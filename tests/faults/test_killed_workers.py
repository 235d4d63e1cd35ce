"""Workers that are killed at any moment lose, repeat and reorder no effect."""

import os
import random
import time
from contextlib import suppress
from functools import partial

import pytest

from audit.models.records import EventRecord
from audit.models.subscriptions import Setback
from audit.reactions import checkpoints, declarations
from audit.reactions.administration.handlers import PartitionsUnchanged
from audit.reactions.commands import RepartitionSubscription
from audit.reactions.declarations import reacts_to
from tests.audit.reactions.things import Touched, touched
from tests.conftest import completed
from tests.reacting import TABLE, Workers
from tests.threads import Crowd, until

pytestmark = pytest.mark.edge

KILLS = int(os.environ.get("REACTION_KILLS", "12"))
SUBSCRIPTION = "test.effects"
THINGS = [f"thing {number}" for number in range(25)]


@pytest.fixture
def effects(owner):
    """A function that returns the effects in the order in which they were made."""
    owner.execute(
        f"CREATE TABLE {TABLE} (id bigserial, event_id uuid, subject_id text, number bigint)"
    )
    owner.execute(f"GRANT SELECT, INSERT ON {TABLE} TO PUBLIC")
    owner.execute(f"GRANT USAGE ON SEQUENCE {TABLE}_id_seq TO PUBLIC")
    yield lambda: owner.execute(
        f"SELECT event_id, subject_id, number FROM {TABLE} ORDER BY id"
    ).fetchall()
    owner.execute(f"DROP TABLE {TABLE}")


def work_left(effects):
    """Return a number that is above zero as long as there is something to do."""
    events = EventRecord.objects.filter(message_type="test.touched").count()
    return events - len(effects()) + Setback.objects.count()


def repartition(partitions):
    """Change the number of partitions, unless that is their number already."""
    with suppress(PartitionsUnchanged):
        completed(RepartitionSubscription(subscription=SUBSCRIPTION, partitions=partitions))


def has_changed(effects, left):
    return work_left(effects) != left


def test_killed_workers_lose_repeat_and_reorder_nothing(effects, monkeypatch):
    """Partitions whose number changes, two workers that compete, and failures of some events."""
    monkeypatch.setattr(declarations, "_subscriptions", {})
    reacts_to(Touched, name=SUBSCRIPTION, starts="beginning", partitions=3)(print)
    checkpoints.ensure(declarations.find(SUBSCRIPTION))
    with Crowd(3) as writers, Workers() as workers:
        workers.start()
        workers.start()
        for kill in range(KILLS):
            if kill % 3 == 2:
                repartition(1 + kill % 5)
            writers.at_once(
                *(partial(touched, *random.sample(THINGS, 6)) for _ in range(3)),
            )
            time.sleep(random.uniform(0, 0.1))
            workers.kill(random.choice(workers.pids))
            workers.start()
        while (left := work_left(effects)) > 0:
            until(partial(has_changed, effects, left))

    found = effects()
    expected = EventRecord.objects.filter(message_type="test.touched")
    assert sorted(each for each, _, _ in found) == sorted(expected.values_list("id", flat=True))
    for thing in THINGS:
        numbers = [number for _, subject, number in found if subject == thing]
        assert numbers == list(range(1, len(numbers) + 1))
