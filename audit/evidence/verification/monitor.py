"""The monitor: a process that compares all records with the transparency log at intervals."""

from datetime import timedelta

from audit.evidence.commands import RecordLogComparison
from audit.evidence.verification.comparison import compare
from audit.evidence.verification.kept import kept_in_directories
from audit.installation.settings import countersign
from audit.reactions.processes.long_steps import Parts, long_step

MOST_RECORDED = 1_000


def _interval() -> timedelta | None:
    return countersign().drift_every


@long_step(
    "audit.log_comparison", every=_interval, permissions={RecordLogComparison.required_permission}
)
def compare_with_log() -> Parts:
    leaves, found = 0, 0
    differences: list[str] = []
    for progress in compare(kept_in_directories()):
        leaves, found = leaves + progress.records, found + len(progress.problems)
        room = MOST_RECORDED - len(differences)
        differences += [f"{each}." for each in progress.problems[:room]]
        yield
    return RecordLogComparison(leaves=leaves, found=found, differences=tuple(differences))
