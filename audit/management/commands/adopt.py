"""The management command that adopts tables with rows, and shows how far each is."""

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError

from audit.pages.overview.tables import initial
from audit.tracking.adoption import NotAdoptable, Standing, adopt, standings
from audit.tracking.guards import Guard
from audit.tracking.privileges import owning_alias

_HISTORY = {"database": "yes", "application": "by simple-history", "none": "no"}


class Command(BaseCommand):
    """The initial history of rows that were there before their table was tracked."""

    help = "Write the initial history of the rows of a model, or show the standing of each model."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("models", nargs="*", help="Models to adopt, such as articles.Article.")
        parser.add_argument("--status", action="store_true", help="Show each tracked model.")
        parser.add_argument("--reason", default="Initial history", help="For the audit log.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (options["models"] or options["status"]):
            raise CommandError("Name a model, such as articles.Article, or give --status.")
        for label in options["models"]:
            self._adopt(label, reason=options["reason"])
        if options["status"]:
            for each in standings():
                self.stdout.write(line(each))

    def _adopt(self, label: str, *, reason: str) -> None:
        try:
            model = apps.get_model(label)
        except (LookupError, ValueError) as error:
            raise CommandError(f"There is no model {label}.") from error
        try:
            rows = adopt(model, reason=reason, using=owning_alias())
        except NotAdoptable as error:
            raise CommandError(str(error)) from error
        except OperationalError as error:
            raise CommandError(f"{label} is in use: run it again later. {error}") from error
        self.stdout.write(f"{label}: {rows:,} rows have their initial history now.")


def line(standing: Standing) -> str:
    """Return the standing of a model in one line."""
    sources = "".join(f"; {number:,} by {source}" for source, number in standing.sources)
    ready = " -> ready for refuse" if standing.is_ready else ""
    return (
        f"{standing.model._meta.label}: guard {_guard(standing)}, "
        f"history {_HISTORY[standing.history]}, initial history {initial(standing)}, "
        f"outside commands in 7 days {standing.outside:,}{sources}{ready}"
    )


def _guard(standing: Standing) -> str:
    if standing.guard is not Guard.REPORT:
        return standing.guard
    if standing.reporting is None:
        return f"{standing.guard} (not attached: run manage.py countersign_protect --apply)"
    return f"{standing.guard} since {standing.reporting.since:%Y-%m-%d %H:%M} UTC"
