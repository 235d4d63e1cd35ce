"""Files of checkpoints in a directory: one for each that was sent, and never changed."""

import os
import tempfile
from pathlib import Path

from audit.evidence.models import SignedCheckpoint


def keep(directory: Path, checkpoint: SignedCheckpoint, note: str) -> None:
    """Write a checkpoint to a file of its own, so that it is complete and survives a crash.

    :raises OSError: if it cannot be written. A directory that is missing is not created: it may not
        be mounted.
    """
    directory.stat()
    folder = directory / "log" / str(checkpoint.log) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix="new-", dir=folder)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(note)
        file.flush()
        os.fsync(descriptor)
    Path(draft).chmod(0o644)
    Path(draft).replace(folder / str(checkpoint.size))
    _sync(folder)


def _sync(folder: Path) -> None:
    """Write the entry of the new file to the disk as well."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
