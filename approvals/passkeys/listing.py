"""Queries for passkeys, and whether each was removed, was reset, or counts for a vote."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, DateTimeField, Q, QuerySet
from django.db.models.expressions import RawSQL

from approvals.passkeys.models import Passkey
from audit.actors.actors import Actor
from audit.evidence.models import Leaf
from audit.installation.settings import countersign
from audit.models.records import EventRecord
from audit.subjects.types import decides_visibility

#: The permission to see the passkeys of others.
VIEW = "approvals.view_policy"
#: The events after which a passkey no longer counts.
ENDINGS = ("approvals.passkey_removed", "approvals.passkey_reset")
# A passkey has no column for these: its row never changes.
_ENDED_AT = """(
    SELECT min(event.occurred_at) FROM audit_eventrecord AS event
    WHERE event.subject_type = 'passkey' AND event.subject_id = "approvals_passkey"."id"::text
        AND event.message_type IN ('approvals.passkey_removed', 'approvals.passkey_reset')
)"""
_IS_RESET = """EXISTS (
    SELECT FROM audit_eventrecord AS event
    WHERE event.subject_type = 'passkey' AND event.subject_id = "approvals_passkey"."id"::text
        AND event.message_type = 'approvals.passkey_reset'
)"""
# The record of its registration, with this key and for this person, is in a checkpoint that a
# destination outside has accepted.
_WITNESSED_AT = """(
    SELECT min(publication.accepted_at) FROM audit_eventrecord AS event
    JOIN audit_leaf AS leaf ON leaf.position = event.position
    JOIN audit_publication AS publication
        ON publication.log = leaf.log AND publication.size > leaf."index"
    WHERE event.subject_type = 'passkey' AND event.subject_id = "approvals_passkey"."id"::text
        AND event.message_type = 'approvals.passkey_registered'
        AND event.data ->> 'user_id' = "approvals_passkey"."user_id"::text
        AND event.data ->> 'credential_id' = "approvals_passkey"."credential_id"
        AND event.data ->> 'public_key' = "approvals_passkey"."public_key"
)"""


def passkeys() -> QuerySet[Any]:
    """Return all passkeys, each with ``ended_at``, ``is_reset`` and ``witnessed_at``.

    The latter is when a checkpoint that includes the registration was first accepted outside; None
    if there is none.
    """
    ended = RawSQL(_ENDED_AT, (), DateTimeField())  # noqa: S611  # of our own names
    reset = RawSQL(_IS_RESET, (), BooleanField())  # noqa: S611
    witnessed = RawSQL(_WITNESSED_AT, (), DateTimeField())  # noqa: S611
    rows: QuerySet[Any] = Passkey.objects.annotate(
        ended_at=ended, is_reset=reset, witnessed_at=witnessed
    )
    return rows


def of_person(person_id: int) -> list[Any]:
    """Return the genuine passkeys of a person that were not reset, the oldest first."""
    found = passkeys().filter(user=person_id).order_by("registered_at", "pk")
    return [each for each in found if each.is_genuine and not each.is_reset]


def current(person_id: int) -> list[Any]:
    """Return the passkeys of a person that were neither removed nor reset, the oldest first."""
    return without_ended(of_person(person_id))


def usable(person_id: int) -> list[Passkey]:
    """Return the passkeys of a person as `current` does, without reading whether they count.

    Where a passkey is the second factor, each page reads them.
    """
    ended = RawSQL(_ENDED_AT, (), DateTimeField())  # noqa: S611  # of our own names
    found = Passkey.objects.filter(user=person_id).alias(ended_at=ended).filter(ended_at=None)
    return [each for each in found.order_by("registered_at", "pk") if each.is_genuine]


def without_ended(found: Iterable[Any]) -> list[Any]:
    """Return those of some passkeys that were neither removed nor reset."""
    return [each for each in found if each.ended_at is None]


def endings_between(positions: Collection[int]) -> list[int]:
    """Return the positions of events that removed or reset a passkey, in the order of the log.

    They are those from the first leaf of the records at ``positions`` to the last one.
    """
    places = Leaf.objects.filter(position__in=positions).order_by("log", "index")
    first, last = places.first(), places.last()
    if first is None or last is None:
        return []
    events = EventRecord.objects.filter(message_type__in=ENDINGS).values("position")
    between = Leaf.objects.filter(
        Q(log=first.log, index__gt=first.index) | Q(log__gt=first.log),
        Q(log=last.log, index__lt=last.index) | Q(log__lt=last.log),
        position__in=events,
    )
    found = between.order_by("log", "index").values_list("position", flat=True)
    return [each for each in found if each is not None]


def counts(passkey: Any, at: datetime) -> bool:
    """Return True if a passkey, of `passkeys`, counts for a vote at this time.

    It was registered before, and neither removed nor reset by then. If checkpoints are sent
    outside, one with its registration was accepted there before.
    """
    known_at = passkey.witnessed_at if _is_sent_outside() else passkey.registered_at
    is_known = passkey.is_genuine and known_at is not None and known_at < at
    return bool(is_known and (passkey.ended_at is None or passkey.ended_at > at))


def _is_sent_outside() -> bool:
    """Return True if checkpoints of the log are sent outside."""
    ours = countersign()
    return bool(ours.log_witnesses or ours.log_directories or ours.log_destinations)


def visible_to(actor: Actor) -> QuerySet[Any]:
    """Return the passkeys of the actor; those of others as `may_see` has it."""
    if _sees_others(actor):
        return passkeys()
    own = int(actor.person_id) if actor.kind == "user" else None
    return passkeys().filter(user=own) if own is not None else passkeys().none()


@decides_visibility("passkey")
def may_see(passkey: Passkey, actor: Actor) -> bool:
    """Return True if the actor may see a passkey.

    It belongs to no customer, so those of others are for users who see every customer.
    """
    is_own = actor.kind == "user" and actor.person_id == str(passkey.user_id)
    return is_own or _sees_others(actor)


def _sees_others(actor: Actor) -> bool:
    return actor.may(VIEW) and not actor.is_confined
