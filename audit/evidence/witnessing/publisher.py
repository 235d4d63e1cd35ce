"""The publisher: it sends the newest checkpoint to each destination, on a schedule.

Of all workers, one at a time sends to a destination. It records every attempt, which is repeated
after a failure; a process that is killed in between sends the checkpoint again.
"""

import time

import structlog
from django.db import connection, transaction
from django.utils import timezone

from audit.evidence.models import Publication, SignedCheckpoint
from audit.evidence.sequencing import signed, writing
from audit.evidence.witnessing import standings
from audit.evidence.witnessing.acceptance import (
    Accepted,
    Contradiction,
    Destination,
    NotAccepted,
)
from audit.evidence.witnessing.contradictions import answer_of
from audit.evidence.witnessing.destinations import destinations, witnesses
from audit.reactions.workers import runs_long

#: How often a worker looks for a checkpoint to send.
LOOK_SECONDS = 5.0
_OVERDUE_SECONDS = 600.0
# Any number will do, if every process takes the same one.
_ADVISORY_LOCK = 0x7769746E
_LONGEST_ANSWER = 2_000

_logger = structlog.get_logger(__name__)


class Publisher:
    """The publisher of one process."""

    def __init__(self) -> None:
        self._look_at = 0.0
        self._alarm_at = 0.0

    def turn(self) -> bool:
        """Send what is due, at most every few seconds."""
        if time.monotonic() >= self._look_at:
            publish_due()
            self._look_at = time.monotonic() + LOOK_SECONDS
            self._warn()
        return False

    def _warn(self) -> None:
        if time.monotonic() < self._alarm_at or not destinations():
            return
        if standings.is_overdue(now=timezone.now()):
            _logger.error("checkpoint_overdue", unpublished_since=standings.unpublished_since())
            self._alarm_at = time.monotonic() + _OVERDUE_SECONDS


def publish_due() -> int:
    """Send the newest checkpoint to each destination where that is due; return to how many."""
    return sum(_publish(each) for each in destinations())


def ask_witnesses() -> bool:
    """Send the newest checkpoint to each witness; return False if another process is doing so.

    A worker does this before it signs anything: after a restore, only they may know more.
    """
    return all(_ask(each) for each in witnesses())


def _ask(witness: Destination) -> bool:
    with transaction.atomic(durable=True):
        if not _is_alone(witness):
            return False
        newest = signed.newest_of_all()
        if newest:
            attempt(witness, newest)
        return True


def _publish(destination: Destination) -> bool:
    """Send the newest checkpoint to a destination, unless another process does or it is not due."""
    # A transaction that has written nothing holds back no reader of the log.
    with transaction.atomic(durable=True):
        if not _is_alone(destination):
            return False
        newest = signed.newest_of_all()
        if newest is None:
            return False
        if not standings.standing(destination).is_due(newest, now=timezone.now()):
            return False
        attempt(destination, newest)
        return True


def attempt(destination: Destination, checkpoint: SignedCheckpoint) -> Publication:
    """Send a checkpoint to a destination, and record the result."""
    publication = Publication(
        log=checkpoint.log,
        size=checkpoint.size,
        destination=destination.name,
        attempted_at=timezone.now(),
    )
    try:
        accepted = destination.send(checkpoint)
    except NotAccepted as error:
        is_contradiction = isinstance(error, Contradiction)
        publication.answer = _one_line(answer_of(str(error)) if is_contradiction else str(error))
        _logger.warning("checkpoint_not_accepted", destination=destination.name, reason=str(error))
    else:
        _accept(publication, accepted)
    store(publication)
    return publication


def store(publication: Publication) -> None:
    """Insert a publication, which only a process with LOG_KEYS may do."""
    with transaction.atomic():
        writing.authorize()
        publication.save(force_insert=True)


def _accept(publication: Publication, accepted: Accepted) -> None:
    publication.accepted_at = timezone.now()
    publication.answer = _one_line(accepted.answer)
    publication.cosignature = accepted.cosignature


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:_LONGEST_ANSWER]


def _is_alone(destination: Destination) -> bool:
    """Lock a destination until the end of the transaction; False if another process has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_ADVISORY_LOCK, destination.name]
        )
        (is_alone,) = cursor.fetchone()
    return bool(is_alone)


_publisher = Publisher()


@runs_long("evidence.witnesses")
def send_checkpoints() -> bool:
    """Send the newest checkpoint where that is due."""
    return _publisher.turn()
