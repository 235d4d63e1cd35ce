"""The standing of destinations: accepted checkpoints, failures, and the next attempt."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q
from django.utils import timezone

from audit.evidence.models import Publication, SignedCheckpoint
from audit.evidence.sequencing import signed
from audit.evidence.witnessing.acceptance import Destination
from audit.installation.settings import countersign

#: How long after each failure the next attempt is; later ones are as far apart as publications.
BACKOFF = tuple(timedelta(minutes=each) for each in (1, 5, 15, 30))


class Standing(NamedTuple):
    """The last attempts at a destination: the accepted one, and the failures since then."""

    destination: str
    accepted: Publication | None
    failures: int
    problem: str
    next_at: datetime | None

    def is_due(self, newest: SignedCheckpoint, *, now: datetime) -> bool:
        """Return True if the newest checkpoint has to be sent now."""
        last = self.accepted
        if last and (last.log, last.size) == (newest.log, newest.size):
            return False
        return self.next_at is None or self.next_at <= now


def standing(destination: Destination) -> Standing:
    """Return what a destination has accepted. The next attempt of a new one is due at once."""
    now = timezone.now()
    # Another row was not written by a worker, and would put off the next attempt.
    attempts = Publication.objects.filter(destination=destination.name, attempted_at__lte=now)
    accepted = attempts.filter(accepted_at__isnull=False).order_by("-pk").first()
    failed = attempts.filter(pk__gt=accepted.pk if accepted else 0).order_by("-pk")
    last = failed.first()
    failures = failed.count()
    problem = last.answer if last else ""
    return Standing(destination.name, accepted, failures, problem, _next(accepted, last, failures))


def newest_outside() -> Publication | None:
    """Return the last publication of the newest checkpoint that a destination has accepted."""
    newest = signed.newest_of_all()
    if newest is None:
        return None
    accepted = Publication.objects.filter(accepted_at__isnull=False)
    known = accepted.filter(Q(log=newest.log, size__lte=newest.size) | Q(log__lt=newest.log))
    return known.order_by("-log", "-size", "-accepted_at").first()


def unpublished_since() -> datetime | None:
    """Return when the first checkpoint was signed that is newer than all that are outside."""
    outside, later = newest_outside(), SignedCheckpoint.objects.all()
    if outside:
        later = later.filter(Q(log=outside.log, size__gt=outside.size) | Q(log__gt=outside.log))
    first = later.order_by("log", "size").first()
    return first.signed_at if first else None


def is_overdue(*, now: datetime) -> bool:
    """Return True if no destination has a checkpoint of the time that LOG_PUBLISHED_WITHIN sets."""
    since = unpublished_since()
    return since is not None and since < now - countersign().log_published_within


def standings(found: Iterable[Destination]) -> list[Standing]:
    return [standing(each) for each in found]


def _next(
    accepted: Publication | None, failed: Publication | None, failures: int
) -> datetime | None:
    every = countersign().log_publish_every
    if failed:
        pause = BACKOFF[failures - 1] if failures <= len(BACKOFF) else every
        return failed.attempted_at + min(pause, every)
    return accepted.attempted_at + every if accepted else None
