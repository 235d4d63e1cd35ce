"""A program whose workers are killed again and again, while another one disables API keys.

Usage: python -m tests.audit.reactions.killed KILLS
"""

import os
import random
import signal
import sys
import time
from contextlib import suppress

import django

django.setup()

from django.db import connections  # noqa: E402

from apikeys.commands import DisableApiKey, EnableApiKey  # noqa: E402
from apikeys.events import ApiKeyDisabled  # noqa: E402
from apikeys.models import ApiKey  # noqa: E402
from audit.actors.actors import SYSTEM  # noqa: E402
from audit.bus.context import Context  # noqa: E402
from audit.bus.dispatch import dispatch  # noqa: E402
from audit.domain import Process, on, process  # noqa: E402
from audit.messages.exceptions import CommandError  # noqa: E402
from audit.reactions import checkpoints, declarations, workers  # noqa: E402
from audit.testing import react  # noqa: E402

NAME = "test.killed"


@process(NAME, key="api_key_id", permissions={"apikeys.enable_apikey"})
class Enabling(Process):
    """Enables each key again that was disabled, and counts how often."""

    times: int = 0

    @on(ApiKeyDisabled)
    def enable(self, event):
        self.times += 1
        self.send_or_retry(EnableApiKey(api_key_id=event.api_key_id))


def work():
    follower = workers.Follower([declarations.find(NAME)])
    while True:
        if not follower.turn():
            time.sleep(0.003)


def disable():
    keys = list(ApiKey.objects.values_list("pk", flat=True))
    while True:
        # It may still be disabled: then the process has not come to it yet.
        with suppress(CommandError):
            command = DisableApiKey(api_key_id=random.choice(keys))
            dispatch(command, context=Context(actor=SYSTEM, channel="test"))
        time.sleep(0.005)


def forked(function):
    """Run a function in a process of its own, on connections of its own."""
    pid = os.fork()
    if not pid:
        try:
            function()
        finally:
            os._exit(1)
    return pid


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def main(kills):
    checkpoints.ensure(declarations.find(NAME))
    connections.close_all()
    writer = forked(disable)
    for _ in range(kills):
        worker = forked(work)
        time.sleep(random.uniform(0.05, 0.4))
        kill(worker)
    kill(writer)
    react(NAME)


if __name__ == "__main__":
    main(int(sys.argv[1]))
