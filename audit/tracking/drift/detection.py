"""Drift detection: a process that compares everything at intervals, and records the result."""

from datetime import timedelta

from audit.installation.settings import countersign
from audit.log.commands import RecordDrift
from audit.reactions.processes.long_steps import Parts, long_step
from audit.tracking.drift.comparison import Difference, Progress, compare

MOST_RECORDED = 1_000


class Tally:
    """The result of a comparison so far: numbers, and the first differences."""

    def __init__(self) -> None:
        self.rows = self.found = 0
        self.differences: list[Difference] = []

    def add(self, progress: Progress) -> None:
        """Add a page of rows."""
        self.rows += progress.rows
        self.found += len(progress.differences)
        room = MOST_RECORDED - len(self.differences)
        self.differences += progress.differences[:room]

    def command(self) -> RecordDrift:
        """Return the command that records the result."""
        recorded = tuple(
            each._asdict() | {"fields": list(each.fields)} for each in self.differences
        )
        return RecordDrift(rows=self.rows, found=self.found, differences=recorded)


def _interval() -> timedelta | None:
    return countersign().drift_every


@long_step("audit.drift", every=_interval, permissions={RecordDrift.required_permission})
def detect_drift() -> Parts:
    tally = Tally()
    for progress in compare():
        tally.add(progress)
        yield
    return tally.command()
