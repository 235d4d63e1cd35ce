"""Load the demo's people, and optionally a busy month."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.demo import story
from config.demo.busy import cast, month


class Command(BaseCommand):
    """Create Acme, its people, the policy and a first key, unless they exist."""

    help = "Load the demo data, once; with --busy also a month of activity."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the month."""
        parser.add_argument(
            "--busy",
            action="store_true",
            help="simulate a month of activity of several customers: about 3,000 commands",
        )

    def handle(self, *args: Any, busy: bool, **options: Any) -> None:
        """Load what is missing."""
        if busy:
            self._play()
        if not story.is_loaded():
            story.load()

    def _play(self) -> None:
        if not settings.DEMO:
            raise CommandError(
                "--busy creates made-up people and activity, so it requires DEMO=true, "
                "which allows demo data in this database."
            )
        if cast.is_there():
            self._tell("The busy month already exists.")
        else:
            self._tell("Simulating a busy month ...")
            month.play(self._tell)

    def _tell(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
