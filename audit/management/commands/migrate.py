"""The migrate command: as the owner of the tables, and followed by their protection."""

from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands.migrate import Command as MigrateCommand

from audit.tracking.protection import protect


class Command(MigrateCommand):
    """Django's migrate on the owner's connection, with privileges and triggers after it."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Set the owner's connection as the default."""
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate, then protect the tables, except after --plan and --check."""
        super().handle(*args, **options)
        if not (options["plan"] or options["check_unapplied"]):
            protect(using=options["database"])
