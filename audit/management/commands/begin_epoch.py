"""The management command that begins a new epoch of the log."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.entry.shell import carry_out
from audit.log.commands import BeginEpoch


class Command(BaseCommand):
    """Run once after a dump was restored, before the application serves again."""

    help = "Begin a new epoch of the log: transactions are numbered anew after a restore."

    def add_arguments(self, parser: CommandParser) -> None:
        """Ask for the reason."""
        parser.add_argument("--reason", required=True, help="Why, for the record.")

    def handle(self, *args: Any, **options: Any) -> None:
        completed = carry_out(BeginEpoch(), reason=options["reason"])
        self.stdout.write(f"A new epoch has begun, by command {completed.command_id}.")
