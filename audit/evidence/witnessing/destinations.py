"""The destinations of checkpoints: those of LOG_WITNESSES, LOG_DIRECTORIES and LOG_DESTINATIONS.

Operators choose them, so a webhook or a witness may be in a private network.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from audit.evidence import atomic_files
from audit.evidence.checkpoints import checkpoint_of_note
from audit.evidence.models import SignedCheckpoint
from audit.evidence.notes import MalformedNote, Verifier
from audit.evidence.publishing.files import NotPublished, publish
from audit.evidence.publishing.stored import cosigned_note
from audit.evidence.witnessing.acceptance import Accepted, Destination, NotAccepted
from audit.evidence.witnessing.posting import post
from audit.evidence.witnessing.witnesses import Witness
from audit.installation.settings import countersign
from audit.reactions import mail
from audit.reactions.mail import Mail

_MAIL = "mailto:"
_ADDRESS = re.compile(r"[^\s@,]+@[^\s@,]+")
_SUBJECT = "[Countersign] Checkpoint of {origin}: {size:,} leaves"
_TEXT = """Keep this message. The last lines are a checkpoint of the audit log {origin}. They prove
later that none of its {size:,} leaves was altered, removed or inserted.

How to verify that is explained in docs/evidence.md.

{note}"""


class InvalidDestination(ValueError):
    """A destination in the settings is malformed."""


@dataclass(frozen=True)
class Directory:
    """A directory that keeps every checkpoint that was sent, each as a file."""

    path: str

    @property
    def name(self) -> str:
        return self.path

    def send(self, checkpoint: SignedCheckpoint) -> Accepted:
        folder = Path(self.path) / "log" / str(checkpoint.log) / "checkpoints"
        note = cosigned_note(checkpoint).encode()
        try:
            # A directory that is missing is not created: it may not be mounted.
            Path(self.path).stat()
            atomic_files.write_through(folder / str(checkpoint.size), note)
        except OSError as error:
            problem = error.strerror or type(error).__name__
            raise NotAccepted(f"The directory cannot be written: {problem}.") from error
        return Accepted()


@dataclass(frozen=True)
class PublishedLog:
    """A directory with all files of one log, which an operator publishes.

    ``progress`` is called with the number of new files so far.
    """

    path: Path
    progress: Callable[[int], None]

    @property
    def name(self) -> str:
        return str(self.path.absolute())

    def send(self, checkpoint: SignedCheckpoint) -> Accepted:
        new = 0
        try:
            for new in publish(checkpoint, self.path):
                self.progress(new)
        except (NotPublished, OSError) as error:
            raise NotAccepted(str(error)) from error
        return Accepted(f"{new:,} new files")


@dataclass(frozen=True)
class Webhook:
    """A URL that gets the note of each checkpoint as the body of a POST.

    The note is signed, so the request is not.
    """

    url: str

    @property
    def name(self) -> str:
        """The host, and a digest of the URL: its path may be secret."""
        digest = sha256(self.url.encode()).hexdigest()[:8]
        return f"{urlsplit(self.url).hostname} ({digest})"

    def send(self, checkpoint: SignedCheckpoint) -> Accepted:
        reply = post(self.url, cosigned_note(checkpoint).encode())
        if not reply.is_success:
            raise NotAccepted(f"The endpoint responded with the status {reply.status}.")
        return Accepted(f"HTTP {reply.status}")


@dataclass(frozen=True)
class Address:
    """A person who gets each checkpoint by e-mail."""

    address: str

    @property
    def name(self) -> str:
        return f"{_MAIL}{self.address}"

    def send(self, checkpoint: SignedCheckpoint) -> Accepted:
        note = cosigned_note(checkpoint)
        origin = checkpoint_of_note(note).origin
        message = Mail(
            to=self.address,
            subject=_SUBJECT.format(origin=origin, size=checkpoint.size),
            text=_TEXT.format(origin=origin, size=checkpoint.size, note=note),
        )
        try:
            mail.send_one(message, delivery_id=uuid5(NAMESPACE_URL, f"{origin} {checkpoint.size}"))
        except mail.NotSent as error:
            raise NotAccepted(str(error)) from error
        return Accepted()


def destinations() -> list[Destination]:
    """Return all destinations, witnesses first: later ones get their cosignatures as well.

    :raises InvalidDestination: if one is malformed.
    """
    found: list[Destination] = [*witnesses(), *_directories(), *_others()]
    return list({each.name: each for each in found}.values())


def witnesses() -> Iterator[Witness]:
    """Return the witnesses of LOG_WITNESSES.

    :raises InvalidDestination: if one is malformed.
    """
    for url, key in countersign().log_witnesses.items():
        try:
            verifier = Verifier.parse(key)
        except MalformedNote as error:
            raise InvalidDestination(
                f"The key of the witness {url} is malformed: {error}"
            ) from error
        yield Witness(_checked(url).rstrip("/"), verifier)


def _directories() -> Iterator[Directory]:
    return map(Directory, countersign().log_directories)


def _others() -> Iterator[Destination]:
    for each in countersign().log_destinations:
        if each.startswith(_MAIL):
            yield _address(each.removeprefix(_MAIL))
        else:
            yield Webhook(_checked(each))


def _address(text: str) -> Address:
    if not _ADDRESS.fullmatch(text):
        raise InvalidDestination("A destination that begins with mailto: has no valid address")
    return Address(text)


def _checked(url: str) -> str:
    """Return a URL. The error does not repeat it: it may have a secret path."""
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("https", "http") and parts.hostname and parts.port != 0
    except ValueError:
        is_valid = False
    if not (is_valid and url.isascii() and url.isprintable()) or " " in url or "@" in parts.netloc:
        raise InvalidDestination(
            "A destination is neither mailto:, nor an http or https URL without a user name"
        )
    return url
