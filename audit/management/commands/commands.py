"""The management command that lists the commands of all apps."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import ProgrammingError
from psycopg.errors import UndefinedTable

from audit.bus import handling
from audit.messages import catalog


class Command(BaseCommand):
    """A table of every command type, with handler, permission, subject and policy."""

    help = "Print every command type with its handler, permission, subject and policy."

    def handle(self, *args: Any, **options: Any) -> None:
        catalog.import_routes()
        rows: list[tuple[str, ...]] = [("COMMAND", "HANDLER", "PERMISSION", "SUBJECT", "POLICY")]
        rows += [_row(command_class) for command_class in handling.command_classes()]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())


def _row(command_class: Any) -> tuple[str, ...]:
    handler: Any = handling.handler(command_class)
    return (
        command_class.message_type,
        f"{handler.__module__}.{handler.__qualname__}",
        command_class.required_permission or "-",
        command_class.subject.type if command_class.subject else "-",
        _governance(command_class) or "-",
    )


def _governance(command_class: Any) -> str:
    try:
        return handling.governance(command_class)
    except ProgrammingError as error:
        # Before the first migrate there are no tables, hence no policies.
        if not isinstance(error.__cause__, UndefinedTable):
            raise
        return ""
