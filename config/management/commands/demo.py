"""Load the cast of the demo story, and a busy month on top of it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.demo import story
from config.demo.busy import cast, month


class Command(BaseCommand):
    """Make Acme, its people, the policy and a first key, unless they are there."""

    help = "Load the demo story's cast, once; with --busy also a month of activity."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the month."""
        parser.add_argument(
            "--busy",
            action="store_true",
            help="play a month in which several customers are at work: about 3,000 commands",
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
                "--busy makes up people and what they did, so it runs only where DEMO=true says "
                "that this database may hold the demo."
            )
        if cast.is_there():
            self._tell("The busy month is there already.")
        else:
            self._tell("Playing a busy month ...")
            month.play(self._tell)

    def _tell(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
