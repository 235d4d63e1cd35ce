"""Enrolment codes, with which policy owners register their first passkeys."""

import base64
import hmac
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.utils import timezone

from approvals.passkeys.commands import EnrolmentCodeIssued
from approvals.passkeys.models import Passkey
from approvals.people.accounts import OWNERS
from approvals.sealing import payloads
from audit.models.records import EventRecord

#: How long a code is valid.
VALID_FOR = timedelta(days=1)
_BYTES = 15
_GROUP = 4


def is_owner(person_id: int) -> bool:
    """Return True if a person is a policy owner."""
    return Group.objects.filter(name=OWNERS, user=person_id).exists()


def is_required(person_id: int) -> bool:
    """Return True if a person registers a first passkey with a code: a policy owner does.

    After a reset of passkeys, which policy owners have approved, no code is required.
    """
    return is_owner(person_id) and not Passkey.objects.filter(user=person_id).exists()


def code_of(enrolment_id: UUID, *, person_id: int) -> str:
    """Return the code of an enrolment. It is computed, and stored nowhere."""
    content = payloads.canonical(["enrolment", str(enrolment_id), str(person_id)])
    _, _, mac = payloads.sign(content).partition(":")
    text = base64.b32encode(bytes.fromhex(mac)[:_BYTES]).decode()
    return "-".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))


def enrolment_with(code: str, *, person_id: int) -> UUID | None:
    """Return the id of the person's current enrolment if this is its code."""
    found = current_enrolment(person_id)
    if found is None:
        return None
    given, wanted = _plain(code), _plain(code_of(found, person_id=person_id))
    return found if hmac.compare_digest(given, wanted) else None


def current_enrolment(person_id: int) -> UUID | None:
    """Return the id of the newest enrolment of a person, unless its code is no longer valid."""
    issued = EventRecord.objects.filter(
        subject_type="user",
        subject_id=str(person_id),
        message_type=EnrolmentCodeIssued.message_type,
    )
    newest: Any = issued.order_by("-number").first()
    if newest is None or newest.occurred_at + VALID_FOR <= timezone.now():
        return None
    return UUID(newest.data["enrolment_id"])


def _plain(code: str) -> bytes:
    return "".join(each for each in code.upper() if each.isalnum()).encode()
