"""Serve on the configured database."""

import signal

from django.core.management.base import BaseCommand, CommandError

from config.first_run import stopping
from config.site import web_server


class Command(BaseCommand):
    """Serve until a signal stops it."""

    help = "Serve on the configured database. Run migrate and collectstatic first."

    def handle(self, *args: object, **options: object) -> None:
        web_server.refuse_taken_port()
        stopping.raise_on_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        try:
            with web_server.running() as process:
                raise CommandError(f"The web server exited unexpectedly, with {process.wait()}.")
        except stopping.Stopped:
            self.stdout.write("Stopped.")
