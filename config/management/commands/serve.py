"""Serve on the configured database."""

import signal

from django.conf import settings
from django.core.management.base import BaseCommand

from config.first_run import stopping
from config.server import supervisor


class Command(BaseCommand):
    """Serve until a signal stops it."""

    help = "Serve on the configured database. Run migrate and collectstatic first."

    def handle(self, *args: object, **options: object) -> None:
        supervisor.refuse_taken_port()
        stopping.raise_on_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        try:
            with supervisor.running() as web_server:
                self.stdout.write(f"Serving on {settings.WEB_HOST}, port {settings.WEB_PORT}.")
                # Python buffers output to a pipe.
                self.stdout.flush()
                web_server.watch()
        except stopping.Stopped:
            self.stdout.write("Stopped.")
