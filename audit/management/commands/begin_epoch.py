"""Begin a new epoch of the log."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.bus import dispatch
from audit.commands import BeginEpoch
from audit.context import Context


class Command(BaseCommand):
    """Run once after a dump was restored, before the application serves again."""

    help = "Begin a new epoch of the log: transactions are numbered anew after a restore."

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask for the reason."""
        parser.add_argument("--reason", required=True, help="Why, for the record.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Dispatch the command as the system."""
        context = Context(channel="management", reason=options["reason"])
        outcome = dispatch(BeginEpoch(), context=context)
        self.stdout.write(f"A new epoch has begun, by command {outcome.command_id}.")
