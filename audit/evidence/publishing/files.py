"""Files of a published log: full tiles once, and the checkpoint last."""

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

from audit.evidence import atomic_files, merkle, tiles
from audit.evidence.checkpoints import checkpoint_of_note
from audit.evidence.merkle import WIDTH
from audit.evidence.models import SignedCheckpoint
from audit.evidence.publishing import stored
from audit.evidence.publishing.paths import TilePath


class NotPublished(Exception):
    """The log cannot be published in this directory."""


def publish(checkpoint: SignedCheckpoint, directory: Path) -> Iterator[int]:
    """Write the log up to a checkpoint into a directory; yield the number of new files so far.

    Files that are there already are not written again, except the checkpoints and the keys.

    :raises NotPublished: if the directory has another log, or one that this one does not extend, or
        if rows of this one are missing.
    """
    _check_extends(checkpoint, directory)
    new = 0
    for path in _paths(checkpoint.size):
        target = directory / str(path)
        if target.exists():
            continue
        content = stored.content(checkpoint.log, path)
        if content is None:
            raise NotPublished(f"Rows of log {checkpoint.log} are missing: {path} is incomplete.")
        atomic_files.write_whole(target, content)
        if path.width == WIDTH:
            rmtree(target.with_name(f"{target.name}.p"), ignore_errors=True)
        new += 1
        yield new
    atomic_files.write_whole(directory / "keys", stored.key_list(checkpoint.log).encode())
    if witnessed := stored.witnessed_checkpoint(checkpoint.log):
        atomic_files.write_whole(directory / "witnessed", stored.cosigned_note(witnessed).encode())
    atomic_files.write_whole(directory / "checkpoint", stored.cosigned_note(checkpoint).encode())


def _paths(size: int) -> Iterator[TilePath]:
    for tile, width in merkle.tiles_of(size).items():
        if tile.level == 0:
            yield TilePath(None, tile.number, width)
        yield TilePath(tile.level, tile.number, width)


def _check_extends(checkpoint: SignedCheckpoint, directory: Path) -> None:
    path = directory / "checkpoint"
    if not path.exists():
        return
    try:
        published = checkpoint_of_note(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NotPublished(f"{path} is malformed: {error}.") from error
    own = checkpoint_of_note(checkpoint.note)
    if published.origin != own.origin:
        raise NotPublished(f"{path} is of another log: {published.origin}.")
    is_extended = published.size <= own.size and (
        merkle.root(published.size, tiles.reader(checkpoint.log)) == published.root
    )
    if not is_extended:
        raise NotPublished(f"{path} has leaves that this log does not have.")
