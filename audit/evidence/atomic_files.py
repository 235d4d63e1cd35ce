"""Atomic writes of files: readers see all of a file, or the former one."""

import os
import tempfile
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write or replace a file, and create its folder if it is missing."""
    _draft(path, content).replace(path)


def write_through(path: Path, content: bytes) -> None:
    """Write or replace a file in the same way, so that it survives a crash of the machine."""
    draft = _draft(path, content)
    _sync(draft)
    draft.replace(path)
    _sync(path.parent)


def _draft(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix="new-", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft = Path(name)
    draft.chmod(0o644)
    return draft


def _sync(path: Path) -> None:
    """Write a file, or the entries of a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
