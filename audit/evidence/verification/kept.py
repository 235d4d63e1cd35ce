"""Checkpoints that are kept outside the database, which the log has to contain."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from audit.evidence.checkpoints import Checkpoint, checkpoint_of_note
from audit.evidence.models import TransparencyLog
from audit.evidence.sequencing import directories, keys
from audit.installation.settings import countersign


class Kept(NamedTuple):
    """A checkpoint that is kept outside the database, and where."""

    source: str
    checkpoint: Checkpoint


def kept_by_auditors(paths: Iterable[Path]) -> list[Kept]:
    """Return the checkpoints in files. Their signatures do not matter: the log must contain them.

    :raises OSError: if one cannot be read.
    :raises MalformedNote: if one is malformed.
    """
    return [
        Kept(f"Checkpoint {path}", checkpoint_of_note(path.read_text(encoding="utf-8")))
        for path in paths
    ]


def kept_in_directories() -> list[Kept]:
    """Return the checkpoints in LOG_DIRECTORIES, the newest of each log.

    :raises OSError: if a directory cannot be read.
    :raises ValueError: if a checkpoint is malformed, or its signature is invalid.
    """
    found = [
        (
            directory,
            log.number,
            directories.newest(Path(directory), log=log.number, verifiers=known),
        )
        for log in TransparencyLog.objects.order_by("number")
        if (known := keys.verifiers(log.number))
        for directory in countersign().log_directories
    ]
    return [
        Kept(f"The checkpoint of log {number} in {directory}", checkpoint)
        for directory, number, checkpoint in found
        if checkpoint
    ]
