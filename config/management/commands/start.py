"""Everything that a first look at Countersign takes, in one command."""

import json
import signal

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from config.demo import story
from config.first_run import stopping
from config.first_run.banner import Demo, banner
from config.site.web_server import NoAnswer, PortTaken, WebServer


class Command(BaseCommand):
    """Migrate, load the demo cast, serve, and say where to click."""

    help = "Start Countersign with a demo cast on this machine; Ctrl-C stops all of it."

    def handle(self, *args: object, **options: object) -> None:
        _refuse_other_databases()
        server = _web_server()
        try:
            server.refuse_taken_port()
            stopping.raise_on_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            self._prepare()
            with server.running() as process:
                self._tell(
                    banner(_demo(), base_url=settings.BASE_URL, mail=settings.EMAIL_FILE_PATH)
                )
                raise CommandError(f"The web server ended by itself, with {process.wait()}.")
        except stopping.Stopped as stopped:
            # After another signal, such as SIGHUP, there may be no terminal to write to.
            if stopped.number == signal.SIGINT:
                self._tell("Stopped.")
        except PortTaken as error:
            raise CommandError(_port_taken(server)) from error
        except NoAnswer as error:
            raise CommandError("The web server did not start; its own words are above.") from error

    def _prepare(self) -> None:
        self._tell("Preparing the database and the pages ...")
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        # It is made of many commands, and a second start could not complete one half of it.
        with stopping.held_back():
            call_command("demo")
            story.refresh_address()

    def _tell(self, text: str) -> None:
        self.stdout.write(text)
        # Python keeps back what goes to a pipe, and this must be read while we run.
        self.stdout.flush()


def _refuse_other_databases() -> None:
    """Refuse to load people with known passwords into a database that is not ours.

    :raises CommandError: unless this is a first run, or DEMO says that it may be done.
    """
    if not settings.DEMO:
        raise CommandError(
            "start loads demo accounts, so it runs only on the embedded database. With a "
            "DATABASE_URL, run `manage.py migrate` and serve config.wsgi:application; or set "
            "DEMO=true if this database may hold the demo."
        )


def _web_server() -> WebServer:
    return WebServer(
        directory=settings.BASE_DIR,
        host=settings.WEB_HOST,
        port=settings.WEB_PORT,
        workers=settings.WEB_WORKERS,
        threads=settings.WEB_THREADS,
    )


def _demo() -> Demo:
    demo: Demo = json.loads((settings.DATA_DIR / "demo.json").read_text())
    return demo


def _port_taken(server: WebServer) -> str:
    return (
        f"Port {server.port} is taken, perhaps by a Countersign that already runs: stop what "
        f"listens there, or choose another port with: PORT={server.port + 1} make run"
    )
