"""The management command of the transparency log: publishing."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.evidence.models import TransparencyLog
from audit.evidence.publishing.files import NotPublished, publish
from audit.evidence.publishing.stored import newest_checkpoint

SECONDS_BETWEEN = 2.0


class Command(BaseCommand):
    """Work on the transparency log of all records."""

    help = "Publish the transparency log as files."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        publishing = actions.add_parser(
            "publish", help="Write tiles and checkpoints to a directory."
        )
        publishing.add_argument("--to", type=Path, required=True, help="The directory.")

    def handle(self, *args: Any, **options: Any) -> None:
        self._publish(options["to"])

    def _publish(self, directory: Path) -> None:
        """Write each log to a directory with its number.

        :raises CommandError: if one cannot be written.
        """
        for log in TransparencyLog.objects.order_by("number"):
            newest = newest_checkpoint(log.number)
            if newest is None:
                continue
            new, shown_at = 0, time.monotonic()
            try:
                for new in publish(newest, directory / str(log.number)):
                    if time.monotonic() >= shown_at + SECONDS_BETWEEN:
                        shown_at = time.monotonic()
                        self.stderr.write(f"{new:,} new files so far.")
            except (NotPublished, OSError) as problem:
                raise CommandError(f"Log {log.number} is not published: {problem}") from problem
            self.stdout.write(f"{log.origin}: {newest.size:,} leaves, {new:,} new files.")
