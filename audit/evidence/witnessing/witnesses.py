"""Witnesses (C2SP tlog-witness): each cosigns what extends the checkpoint it has seen."""

import re
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from audit.evidence import merkle, notes, tiles
from audit.evidence.models import Publication, SignedCheckpoint
from audit.evidence.notes import InvalidNote, MalformedNote, Verifier
from audit.evidence.witnessing.acceptance import Accepted, Contradiction, NotAccepted
from audit.evidence.witnessing.posting import Response, post

_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n?")


@dataclass(frozen=True)
class Witness:
    """A witness: the prefix of its URLs, without a slash at the end, and its public key."""

    prefix: str
    verifier: Verifier

    @property
    def name(self) -> str:
        return self.verifier.name

    def send(self, checkpoint: SignedCheckpoint) -> Accepted:
        """Send a checkpoint, and return the cosignature.

        :raises Contradiction: if the witness has more leaves of the log, or others.
        :raises NotAccepted: if it does not respond with a valid cosignature.
        """
        old = min(self._last_size(checkpoint.log), checkpoint.size)
        response = self._add(checkpoint, old=old)
        if response.status == HTTPStatus.CONFLICT:
            response = self._add(checkpoint, old=_known_size(response, checkpoint, old=old))
        if response.status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
            raise Contradiction("The witness has other leaves of the log.")
        if response.status != HTTPStatus.OK:
            raise NotAccepted(f"The witness responded with the status {response.status}.")
        return Accepted(cosignature=self._cosignature(checkpoint, response.body))

    def _last_size(self, log: int) -> int:
        """Return the size that the witness has cosigned, as far as this database knows."""
        accepted = Publication.objects.filter(
            destination=self.name, log=log, accepted_at__isnull=False
        )
        last = accepted.order_by("-size").first()
        return last.size if last else 0

    def _add(self, checkpoint: SignedCheckpoint, *, old: int) -> Response:
        proof = merkle.consistency_proof(old, checkpoint.size, tiles.reader(checkpoint.log))
        lines = (f"old {old}", *(b64encode(each).decode() for each in proof))
        body = "".join(f"{line}\n" for line in lines) + f"\n{checkpoint.note}"
        return post(f"{self.prefix}/add-checkpoint", body.encode())

    def _cosignature(self, checkpoint: SignedCheckpoint, body: str) -> str:
        """Return the line of the response that the key of the witness has signed."""
        text = notes.parse(checkpoint.note).text
        for line in body.split("\n"):
            with suppress(MalformedNote, InvalidNote):
                notes.verify(notes.parse(f"{text}\n{line}\n"), [self.verifier])
                return line
        raise NotAccepted("The response has no valid cosignature of the witness.")


def _known_size(response: Response, checkpoint: SignedCheckpoint, *, old: int) -> int:
    """Return the size that the witness reports to have cosigned."""
    match = _SIZE.fullmatch(response.body)
    if match is None:
        raise NotAccepted("The witness reported a conflict without its size.")
    known = int(match[1])
    if known > checkpoint.size:
        raise Contradiction(
            f"The witness has {known} leaves of the log, here are {checkpoint.size}."
        )
    if known == old:
        raise Contradiction(f"The witness has another tree of {known} leaves.")
    return known
