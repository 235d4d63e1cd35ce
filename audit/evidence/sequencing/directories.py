"""Directories outside the database that keep the newest checkpoint of each log.

A database that was restored has fewer leaves than it once had. What it would sign next would be
another tree of the same name: a fork.
"""

from pathlib import Path

from audit.evidence import atomic_files, merkle, notes
from audit.evidence.checkpoints import Checkpoint, checkpoint_of_note, parse_checkpoint
from audit.evidence.merkle import ReadTile
from audit.evidence.models import Publication
from audit.evidence.notes import Verifier
from audit.installation.settings import countersign


class Forking(Exception):
    """A checkpoint would contradict one that is kept outside: begin an epoch, or restore the rows.

    After a restore, `manage.py begin_epoch` begins a new log.
    """


def check(log: int, *, size: int, read_tile: ReadTile, verifiers: list[Verifier]) -> None:
    """Check that this log, which has ``size`` leaves, continues what is kept outside.

    :raises Forking: if it has fewer leaves, or others.
    :raises OSError: if a directory cannot be read, or has lost its checkpoint: a mount point is
        usually empty while nothing is mounted.
    :raises ValueError: if what is kept is malformed, or its signature is invalid.
    """
    for directory in countersign().log_directories:
        kept = newest(Path(directory), log=log, verifiers=verifiers)
        if not _path(Path(directory), log).parent.exists() and _has_accepted(directory, log):
            message = f"{directory} has accepted checkpoints of log {log}, but has none: mount it."
            raise FileNotFoundError(message)
        if kept and kept.size > size:
            raise Forking(f"{directory} has {kept.size} leaves of log {log}, here are {size}.")
        if kept and kept.root != merkle.root(kept.size, read_tile):
            raise Forking(f"{directory} has another tree of {kept.size} leaves of log {log}.")


def newest(directory: Path, *, log: int, verifiers: list[Verifier]) -> Checkpoint | None:
    """Return the checkpoint of a log that a directory keeps; None if it keeps none."""
    # A directory that is not there may be one that is not mounted.
    directory.stat()
    path = _path(directory, log)
    if not path.exists():
        return None
    opened = notes.verify(notes.parse(path.read_text(encoding="utf-8")), verifiers)
    return parse_checkpoint(opened.text)


def keep(log: int, note: str, *, size: int) -> None:
    """Keep a checkpoint in every directory, in the place of an earlier one."""
    for directory in countersign().log_directories:
        path = _path(Path(directory), log)
        if path.exists() and _size(path) > size:
            # Of another process, which was faster.
            continue
        atomic_files.write_through(path, note.encode())


def _has_accepted(directory: str, log: int) -> bool:
    accepted = Publication.objects.filter(log=log, accepted_at__isnull=False)
    return accepted.filter(destination=directory).exists()


def _size(path: Path) -> int:
    return checkpoint_of_note(path.read_text(encoding="utf-8")).size


def _path(directory: Path, log: int) -> Path:
    return directory / "log" / str(log) / "checkpoint"
