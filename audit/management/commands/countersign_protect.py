"""Protection of the tables of the project: the SQL of their triggers and grants."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connections, transaction

from audit.tracking.privileges import owning_alias
from audit.tracking.protection import corrections, lacking


class Command(BaseCommand):
    """Only on request: the tables of the project are not ours."""

    help = (
        "Print the SQL that the tables of the project need: the triggers of tracked and guarded "
        "ones, and for a role that only serves the grants, sequences included. Print nothing if "
        "nothing is missing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--database",
            default=owning_alias(),
            help="The alias with the role that owns the tables. Default: owner, if there is one.",
        )
        parser.add_argument("--apply", action="store_true", help="Execute the SQL as well.")

    def handle(self, *args: Any, **options: Any) -> None:
        using, is_applied = options["database"], options["apply"]
        with connections[using].cursor() as cursor:
            for statement in corrections(cursor):
                self._do(cursor, statement, is_applied=is_applied)
            with transaction.atomic(using=using):
                for grant in lacking(cursor):
                    self._do(cursor, grant.as_string(cursor.connection), is_applied=is_applied)

    def _do(self, cursor: Any, statement: str, *, is_applied: bool) -> None:
        self.stdout.write(f"{statement.strip()};")
        if is_applied:
            cursor.execute(statement)
