"""The migrate command of the example application: as the owner, while it serves."""

from django.core.management.base import CommandParser
from django.db import connections

from audit.management import migrating
from audit.tracking.protection import grant_everything


class Command(migrating.Command):
    """Migrate on the owner's connection, and grant the serving role exactly what it needs."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Set the owner's connection as the default."""
        super().add_arguments(parser)
        parser.set_defaults(database="owner")

    def protect(self, database: str) -> None:
        """Protect the tables of all apps: no other application shares this database."""
        super().protect(database)
        with connections[database].cursor() as cursor:
            grant_everything(cursor)
