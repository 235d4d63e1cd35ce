"""The management command that compares rows, their history and the events of their subjects."""

import time
from typing import Any

from django.core.management.base import BaseCommand

from audit.entry.shell import carry_out
from audit.tracking.drift.comparison import Difference, compare
from audit.tracking.drift.detection import Tally

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
        tally = Tally()
        shown_at = time.monotonic()
        for progress in compare():
            tally.add(progress)
            if time.monotonic() >= shown_at + SECONDS_BETWEEN:
                shown_at = time.monotonic()
                told = f"{tally.rows:,} rows compared, now of {progress.model}; "
                self.stderr.write(f"{told}{tally.found:,} differences so far.")
        carry_out(tally.command(), reason="Comparison of rows, history and events")
        for difference in tally.differences:
            self.stdout.write(_sentence(difference))
        self.stdout.write(f"{tally.rows:,} rows compared, {tally.found:,} differences.")
        if tally.found:
            raise SystemExit(1)


def _sentence(difference: Difference) -> str:
    fields = f" ({', '.join(difference.fields)})" if difference.fields else ""
    subject = difference.subject or difference.model
    return f"{subject}: {_WORDS[difference.kind]}{fields}."
