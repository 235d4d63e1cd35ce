"""Privileges of the serving role on the tables of the project."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audit.tracking.protection import lacking


class Command(BaseCommand):
    """Only on request: the tables of the project are not ours."""

    help = (
        "Print the SQL that a role which only serves needs on the tables of the project, sequences "
        "included. With one role for everything, it needs none."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            help="The alias with the role that owns the tables.",
        )
        parser.add_argument("--apply", action="store_true", help="Execute the SQL as well.")

    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        with connection.cursor() as cursor, transaction.atomic(using=options["database"]):
            for statement in lacking(cursor):
                self.stdout.write(f"{statement.as_string(connection.connection)};")
                if options["apply"]:
                    cursor.execute(statement)
