"""A program whose sequencers are killed again and again, two at a time, while commands are sent.

Usage: python -m tests.audit.evidence.killed KILLS DIRECTORY
"""

import random
import sys
import time

import django

django.setup()

from django.db import connections  # noqa: E402

from apikeys.commands import CreateCustomer  # noqa: E402
from audit.actors.actors import SYSTEM  # noqa: E402
from audit.bus.context import Context  # noqa: E402
from audit.bus.dispatch import dispatch  # noqa: E402
from audit.evidence.appending import sequencer  # noqa: E402
from audit.evidence.models import SignedCheckpoint  # noqa: E402
from audit.installation.settings import countersign  # noqa: E402
from tests.audit.reactions.killed import forked, kill  # noqa: E402
from tests.threads import until  # noqa: E402


def write():
    number = 0
    while True:
        number += 1
        command = CreateCustomer(name=f"Customer {number} {time.monotonic_ns()}")
        dispatch(command, context=Context(actor=SYSTEM, channel="test"))


def work():
    own = sequencer.Sequencer()
    while True:
        if not own.turn():
            time.sleep(0.001)


def main(kills, directory):
    sequencer.PAUSE_SECONDS = 0.0
    object.__setattr__(countersign(), "log_directories", (directory,))
    connections.close_all()
    writer = forked(write)
    workers = [forked(work), forked(work)]
    for _ in range(kills):
        before = SignedCheckpoint.objects.count()
        until(lambda before=before: SignedCheckpoint.objects.count() > before)
        # A process of its own must not inherit this connection.
        connections.close_all()
        time.sleep(random.uniform(0, 0.03))
        kill(workers.pop(random.randrange(2)))
        workers.append(forked(work))
    for each in (writer, *workers):
        kill(each)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
