"""The management command that begins a new epoch of the log."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.entry.shell import carry_out
from audit.log.commands import BeginEpoch


class Command(BaseCommand):
    """A new epoch by hand, after rows of the log were restored into the same database."""

    help = "Begin a new epoch of the log by hand; on another server it begins by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="The reason, for the audit log.")

    def handle(self, *args: Any, **options: Any) -> None:
        completed = carry_out(BeginEpoch(), reason=options["reason"])
        self.stdout.write(f"A new epoch began, by command {completed.command_id}.")
