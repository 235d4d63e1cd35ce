"""Migrate, load the demo and serve, in one command."""

import signal

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from audit.reactions import checkpoints
from audit.reactions.declarations import subscriptions
from config.demo import story
from config.first_run import stopping
from config.first_run.banner import Demo, banner
from config.server import supervisor


class Command(BaseCommand):
    """Migrate, load the demo cast, serve, call event handlers, and say where to click."""

    help = "Start Countersign with demo data on this machine; Ctrl-C stops everything."

    def handle(self, *args: object, **options: object) -> None:
        _refuse_other_databases()
        try:
            supervisor.refuse_taken_port()
            stopping.raise_on_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            demo = self._prepare()
            _subscribe()
            with supervisor.running(supervisor.WORKER) as web_server:
                self._tell(banner(demo, mail=settings.MAIL_PATH))
                web_server.watch()
        except stopping.Stopped as stopped:
            # After another signal, such as SIGHUP, there may be no terminal to write to.
            if stopped.number == signal.SIGINT:
                self._tell("Stopped.")

    def _prepare(self) -> Demo:
        self._tell("Preparing the database and the pages ...")
        call_command("migrate", interactive=False, verbosity=0)
        self._seal()
        call_command("collectstatic", interactive=False, verbosity=0)
        # It is made of many commands, and a second start could not complete one half of it.
        with stopping.held_back():
            call_command("demo")
            return story.refresh_address()

    def _seal(self) -> None:
        """Seal what an earlier version wrote on this machine; what is altered stays refused."""
        try:
            call_command("approvals_seal", reason="Upgrade of a database for trying out")
        except CommandError as problem:
            self.stderr.write(str(problem))

    def _tell(self, text: str) -> None:
        self.stdout.write(text)
        # Python buffers output to a pipe, and this must be readable while the server runs.
        self.stdout.flush()


def _subscribe() -> None:
    """Create the checkpoints now: events from before the start of the worker are handled, too."""
    for subscription in subscriptions():
        checkpoints.ensure(subscription)


def _refuse_other_databases() -> None:
    """Refuse to load people with known passwords into another database than the first run's.

    :raises CommandError: unless this is a first run, or DEMO says that it may be done.
    """
    if not settings.DEMO:
        raise CommandError(
            "start loads demo accounts, so it runs only on the embedded database. With a "
            "DATABASE_URL, run `manage.py migrate` and `manage.py serve`; or set "
            "DEMO=true to allow demo data in this database."
        )
