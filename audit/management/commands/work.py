"""The management command that calls event handlers."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.reactions import workers


class Command(BaseCommand):
    """Until a signal stops it, after the events that it is working on."""

    help = "Call event handlers, and whatever else happens in the background, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "names", nargs="*", help="Subscriptions, and other work, to run; by default all."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: stop.set())
        workers.work(options["names"] or None, stop=stop)
