"""Warnings before a vote: what would make a request fail even if it is approved."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.utils import timezone

from approvals.models import ApprovalRequest, State
from approvals.requests.listing import open_about
from approvals.requests.staleness import staleness_of
from audit.actors import credentials
from audit.actors.actors import Actor
from audit.installation import users
from audit.messages.classes import Command, Subject
from audit.subjects.likeness import similar_to, warning

_ACCOUNT = "The requester's account is deactivated."
_CREDENTIAL = "The credential of the requester is no longer valid."
_REQUESTER_MAY_NOT = "The requester may no longer do this."


def flags_of(
    requests: Iterable[ApprovalRequest], *, rows: Mapping[Subject, Any] = MappingProxyType({})
) -> Mapping[UUID, list[str]]:
    """Return the flags of many requests: one query for requesters, two for each subject type.

    Their effective requirements have been read; the subjects of ``rows`` are not read again.
    """
    waiting = [each for each in requests if each.is_open]
    stale, gone = (
        staleness_of(waiting, rows=rows),
        _inactive({each.requester_person for each in waiting}),
    )
    return {
        each.pk: [
            *([each.barrier.message] if each.barrier else []),
            *filter(None, [stale[each.pk], _too_late(each)]),
            *([_ACCOUNT] if each.requester_person in gone else []),
        ]
        for each in waiting
    }


def likeness_of(
    requests: Sequence[ApprovalRequest], commands: Sequence[Command | None], *, actor: Actor
) -> Mapping[UUID, str]:
    """Return warnings about the names that commands would give: one query for each type."""
    open_ones = {
        each.pk: command
        for each, command in zip(requests, commands, strict=True)
        if command and (each.state == State.PENDING or each.is_retriable)
    }
    similar = similar_to(list(open_ones.values()), actor=actor)
    return {pk: warning(found) for pk, found in zip(open_ones, similar, strict=True) if found}


def conflicts_of(
    requests: Iterable[ApprovalRequest], *, actor: Actor
) -> Mapping[UUID, list[ApprovalRequest]]:
    """Return the other open requests, visible to the actor, on the subjects of open ones."""
    is_open = [each for each in requests if each.present_state is State.PENDING]
    subjects = {each.subject_reference for each in is_open} - {None}
    others = defaultdict(list)
    for other in open_about(subjects, actor=actor) if subjects else ():
        if other.present_state is State.PENDING:
            others[other.subject_reference].append(other)
    return {
        each.pk: [other for other in others[each.subject_reference] if other.pk != each.pk]
        for each in is_open
    }


def requester_flags(request: ApprovalRequest, command: Command | None) -> list[str]:
    """Return the flags of one request's credential and its current permissions."""
    if not request.is_open:
        return []
    actor = credentials.live_actor(request.requester_kind, request.requester_id)
    if actor is None:
        is_account = request.requester_kind == "user" or _inactive({request.requester_person})
        return [_ACCOUNT if is_account else _CREDENTIAL]
    if command is not None and not actor.may(command.required_permission):
        return [_REQUESTER_MAY_NOT]
    return []


def _too_late(request: ApprovalRequest) -> str:
    """Return a text if the time for execution has passed; empty if not."""
    end = request.executable_until
    is_over = end is not None and timezone.now() >= end
    return f"It could be executed until {end:%Y-%m-%d %H:%M} UTC." if is_over else ""


def _inactive(person_ids: Iterable[str]) -> set[str]:
    asked = {person_id for person_id in person_ids if person_id}
    if not asked:
        return set()
    active = users.manager().filter(pk__in=asked, is_active=True)
    return asked - {str(pk) for pk in active.values_list("pk", flat=True)}
