"""Checkpoints (C2SP tlog-checkpoint): the size and root of a log, as the text of a note."""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass

from audit.evidence import notes
from audit.evidence.merkle import HASH_SIZE
from audit.evidence.notes import MalformedNote

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
# Origin, size and root.
_LINES = 3


@dataclass(frozen=True)
class Checkpoint:
    """The commitment of a log: its name, the number of its leaves, and the root of its tree.

    ``str()`` returns the text of the note.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        root = b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that is the text of a note.

    :raises MalformedNote: if it is malformed.
    """
    lines = text.split("\n")
    if len(lines) <= _LINES or lines.pop() or not all(lines):
        raise MalformedNote("A checkpoint has an origin, a size and a root, and no empty line")
    origin, size, root, *extensions = lines
    if not _SIZE.fullmatch(size):
        raise MalformedNote("The size of a checkpoint is a decimal number")
    return Checkpoint(origin, int(size), _parsed_root(root), tuple(extensions))


def checkpoint_of_note(note: str) -> Checkpoint:
    """Return the checkpoint of a note, whose signatures are not verified.

    :raises MalformedNote: if one of them is malformed.
    """
    return parse_checkpoint(notes.parse(note).text)


def _parsed_root(text: str) -> bytes:
    try:
        root = b64decode(text, validate=True)
    except ValueError as error:
        raise MalformedNote("The root of a checkpoint is Base64") from error
    if len(root) != HASH_SIZE:
        raise MalformedNote("The root of a checkpoint has 32 bytes")
    return root
