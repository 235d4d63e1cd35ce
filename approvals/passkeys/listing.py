"""Queries for passkeys, and whether each was removed, was reset, or counts for a vote."""

from datetime import datetime
from typing import Any

from django.db.models import BooleanField, DateTimeField, QuerySet
from django.db.models.expressions import RawSQL

from approvals.passkeys.models import Passkey
from audit.actors.actors import Actor
from audit.subjects.types import decides_visibility

#: The permission to see the passkeys of others.
VIEW = "approvals.view_policy"
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


def passkeys() -> QuerySet[Any]:
    """Return all passkeys, each with ``ended_at`` and ``is_reset``."""
    ended = RawSQL(_ENDED_AT, (), DateTimeField())  # noqa: S611  # of our own names
    reset = RawSQL(_IS_RESET, (), BooleanField())  # noqa: S611
    rows: QuerySet[Any] = Passkey.objects.annotate(ended_at=ended, is_reset=reset)
    return rows


def of_person(person_id: int) -> list[Any]:
    """Return the genuine passkeys of a person that were not reset, the oldest first."""
    found = passkeys().filter(user=person_id).order_by("registered_at", "pk")
    return [each for each in found if each.is_genuine and not each.is_reset]


def current(person_id: int) -> list[Any]:
    """Return the passkeys of a person that were neither removed nor reset, the oldest first."""
    return [each for each in of_person(person_id) if each.ended_at is None]


def counts(passkey: Any, at: datetime) -> bool:
    """Return True if a passkey, of `passkeys`, counts for a vote at this time.

    It was registered before, and neither removed nor reset by then.
    """
    is_registered = passkey.is_genuine and passkey.registered_at < at
    return bool(is_registered and (passkey.ended_at is None or passkey.ended_at > at))


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
