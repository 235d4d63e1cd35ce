"""The management command that compares rows, their history and the events of their subjects."""

import time
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand

from audit.entry.shell import carry_out
from audit.log.commands import RecordDrift
from audit.tracking.drift import Difference, compare

MOST_RECORDED = 1_000
SECONDS_BETWEEN = 2.0
_WORDS = {
    "row": "the row is not as its history has it",
    "events": "its events have other values",
    "unlogged": "its history has a change that is not in the log",
    "number": "its number is not that of its events and changes",
}


class Command(BaseCommand):
    """A comparison of every tracked row, with progress; its result is on the overview."""

    help = "Compare all tracked rows with their history and their events, and log the result."

    def handle(self, *args: Any, **options: Any) -> None:
        differences = list(self._compared())
        recorded = tuple(
            each._asdict() | {"fields": list(each.fields)} for each in differences[:MOST_RECORDED]
        )
        command = RecordDrift(rows=self._rows, found=len(differences), differences=recorded)
        carry_out(command, reason="Comparison of rows, history and events")
        for difference in differences[:MOST_RECORDED]:
            self.stdout.write(_sentence(difference))
        self.stdout.write(f"{self._rows:,} rows compared, {len(differences):,} differences.")
        if differences:
            raise SystemExit(1)

    def _compared(self) -> Iterator[Difference]:
        self._rows = self._found = 0
        shown_at = time.monotonic()
        for progress in compare():
            self._rows += progress.rows
            self._found += len(progress.differences)
            if time.monotonic() >= shown_at + SECONDS_BETWEEN:
                shown_at = time.monotonic()
                told = f"{self._rows:,} rows compared, now of {progress.model}; "
                self.stderr.write(f"{told}{self._found:,} differences so far.")
            yield from progress.differences


def _sentence(difference: Difference) -> str:
    fields = f" ({', '.join(difference.fields)})" if difference.fields else ""
    subject = difference.subject or difference.model
    return f"{subject}: {_WORDS[difference.kind]}{fields}."
