"""The response of a destination to a checkpoint: acceptance, failure or contradiction."""

from typing import NamedTuple, Protocol

from audit.evidence.models import SignedCheckpoint


class Accepted(NamedTuple):
    """The response of a destination that has the checkpoint now.

    ``cosignature`` is the signature line of a witness.
    """

    answer: str = ""
    cosignature: str = ""


class NotAccepted(Exception):
    """The destination does not have the checkpoint; a later attempt may succeed."""


class Contradiction(NotAccepted):
    """The destination knows another tree of the log, or a larger one than this database has."""


class Destination(Protocol):
    """A place outside that keeps checkpoints. ``name`` is stored and shown: it has no secret."""

    @property
    def name(self) -> str: ...

    def send(self, checkpoint: SignedCheckpoint) -> Accepted:
        """Send a checkpoint.

        :raises NotAccepted: if it is not accepted.
        """
