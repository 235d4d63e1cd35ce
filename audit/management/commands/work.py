"""The management command that calls event handlers."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.reactions import workers

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Command(BaseCommand):
    """Until a signal stops it, after the events that it is working on."""

    help = "Call event handlers, and whatever else happens in the background, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names", nargs="*", help="Subscriptions, and other work, to run; by default all."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # A handler of a signal could wait for the lock of the event: this thread waits instead.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        stop = threading.Event()
        worker = threading.Thread(
            target=workers.work, args=(options["names"] or None,), kwargs={"stop": stop}
        )
        worker.start()
        signal.sigwait(_SIGNALS)
        stop.set()
        worker.join()
