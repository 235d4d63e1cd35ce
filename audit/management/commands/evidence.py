"""The management command of the transparency log: publishing and verification."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from audit.evidence.models import TransparencyLog
from audit.evidence.sequencing import signed
from audit.evidence.sequencing.writing import UnknownWriter
from audit.evidence.verification.comparison import compare
from audit.evidence.verification.kept import kept_by_auditors, kept_in_directories
from audit.evidence.witnessing.destinations import PublishedLog
from audit.evidence.witnessing.publisher import attempt

SECONDS_BETWEEN = 2.0


class Command(BaseCommand):
    """Work on the transparency log of all records."""

    help = "Publish the transparency log as files, or verify the database against it."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        publishing = actions.add_parser(
            "publish", help="Write tiles and checkpoints to a directory."
        )
        publishing.add_argument("--to", type=Path, required=True, help="The directory.")
        verifying = actions.add_parser(
            "verify", help="Compare every record, leaf and checkpoint; name those that differ."
        )
        verifying.add_argument(
            "--checkpoint",
            type=Path,
            action="append",
            default=[],
            help="A checkpoint that was kept outside, which the log has to contain.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "publish":
            self._publish(options["to"])
        else:
            self._verify(options["checkpoint"])

    def _verify(self, paths: list[Path]) -> None:
        """Write each difference to standard output, and exit with status 1 if there is one.

        :raises CommandError: if a checkpoint cannot be read.
        """
        try:
            kept = [*kept_by_auditors(paths), *kept_in_directories()]
        except (OSError, ValueError) as problem:
            raise CommandError(f"A checkpoint cannot be read: {problem}") from problem
        records, found = 0, 0
        begun_at = shown_at = time.monotonic()
        for progress in compare(kept):
            records, found = records + progress.records, found + len(progress.problems)
            for each in progress.problems:
                self.stdout.write(f"{each}.")
            if time.monotonic() >= shown_at + SECONDS_BETWEEN:
                shown_at = time.monotonic()
                rate = records / (shown_at - begun_at)
                self.stderr.write(f"{records:,} leaves compared, {rate:,.0f} per second.")
        self.stdout.write(f"{records:,} leaves compared, {found:,} differences.")
        if found:
            raise SystemExit(1)

    def _publish(self, directory: Path) -> None:
        """Write each log to a directory with its number, and record that as workers do.

        :raises CommandError: if one cannot be written.
        """
        for log in TransparencyLog.objects.order_by("number"):
            newest = signed.newest(log.number)
            if newest is None:
                continue
            target = PublishedLog(directory / str(log.number), self._progress())
            try:
                publication = attempt(target, newest)
            except (Error, UnknownWriter) as problem:
                # A standby has all leaves, but accepts no rows.
                self.stderr.write(f"The publication cannot be recorded: {problem}".rstrip())
                continue
            if publication.accepted_at is None:
                raise CommandError(f"Log {log.number} is not published: {publication.answer}")
            self.stdout.write(f"{log.origin}: {newest.size:,} leaves, {publication.answer}.")

    def _progress(self) -> Callable[[int], None]:
        shown_at = time.monotonic()

        def show(new: int) -> None:
            nonlocal shown_at
            if time.monotonic() >= shown_at + SECONDS_BETWEEN:
                shown_at = time.monotonic()
                self.stderr.write(f"{new:,} new files so far.")

        return show
