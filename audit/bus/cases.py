"""Contexts and records of commands that are part of another command's case."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from django.utils import timezone

from audit.actors.actors import Actor
from audit.bus.context import Context, RequestFacts
from audit.messages.exceptions import Cancelled
from audit.models.records import CommandRecord, Status
from audit.wire import pipeline, rows
from audit.wire.statements import Call, Statement

# The first free number, because a record that was inserted by hand may have the last one.
_NEXT_ATTEMPT = Statement("""
    SELECT min(attempt) + 1 FROM audit_commandrecord AS taken
    WHERE command_id = %s AND NOT EXISTS (
        SELECT FROM audit_commandrecord AS next
        WHERE next.command_id = taken.command_id AND next.attempt = taken.attempt + 1)
""")

_CASE = Statement("""
    SELECT correlation_id, tenant, coalesce((decision ->> 'depth')::int, 0)
    FROM audit_commandrecord WHERE command_id = %s ORDER BY attempt DESC LIMIT 1
""")


class _Case(NamedTuple):
    """The values of a command that those which it causes inherit."""

    correlation_id: UUID
    tenant: str
    depth: int


@dataclass(frozen=True, kw_only=True)
class Cause:
    """The command that caused a reaction, and the event that the reaction is to.

    The number of reactions that led to the command does not count if it ``is_long_past``.
    """

    command_id: UUID
    event_id: UUID | None = None
    is_long_past: bool = False

    @cached_property
    def case(self) -> _Case:
        """The case of the command, read when it is first needed."""
        row = pipeline.fetch(_CASE, [self.command_id])
        case = _Case(*row) if row else _Case(self.command_id, "", 0)
        return case._replace(depth=0) if self.is_long_past else case


# The reaction that this code is part of, outside of its commands.
_reaction: ContextVar[tuple[Cause | None, Actor] | None]
_reaction = ContextVar("audit_reaction", default=None)


def held(command_id: UUID) -> list[CommandRecord]:
    """Return the records by which a command was held, oldest attempt first.

    Only the first comes from the bus; others were inserted by hand.
    """
    found = rows.every(CommandRecord, command_id=command_id, status=Status.POSTPONED)
    return sorted(found, key=lambda record: record.attempt)


def selection_of_held(command_id: UUID) -> Call:
    """Return the statement that `held` executes, to be prefetched."""
    return rows.selection(CommandRecord, command_id=command_id, status=Status.POSTPONED)


def inherited(given: Context, parent: Context) -> Context:
    """Return a context for a command that is dispatched inside the parent, in its case."""
    context = replace(given, idempotency_key=None)
    if given is parent:
        context.expected_number = context.accepts = None
    context.correlation_id, context.causation_id = parent.correlation_id, parent.command_id
    context.tenant, context.depth = parent.tenant, parent.depth
    return context


@contextmanager
def reacting(cause: Cause | None, actor: Actor) -> Iterator[None]:
    """Dispatch the commands of this block inside the transaction of a reaction, as an actor.

    They belong to the case of the cause; without a cause, each begins a case.
    """
    token = _reaction.set((cause, actor))
    try:
        yield
    finally:
        _reaction.reset(token)


def current_reaction() -> tuple[Cause | None, Actor] | None:
    """Return the cause and the actor of the reaction that this code is part of."""
    return _reaction.get()


def caused(given: Context | None, cause: Cause | None, actor: Actor) -> Context:
    """Return a context for a command that is dispatched in a reaction, in the case of its cause."""
    context = replace(given or Context(actor=actor, channel="process"), idempotency_key=None)
    context.depth = 1
    if cause:
        context.correlation_id, context.tenant, depth = cause.case
        context.depth += depth
        context.causation_id, context.reaction_to = cause.command_id, cause.event_id
    return context


def replayed(
    held: CommandRecord, actor: Actor | None, *, expected_number: int, by: Context
) -> Context:
    """Return the context for replaying a held command: as sent, with the requester's rights."""
    without_rights = Actor(
        kind=held.actor_kind,
        id=held.actor_id,
        label=held.actor_label,
        person_id=held.actor_person,
    )
    context = Context(
        actor=actor or without_rights,
        channel=held.channel,
        reason=held.reason,
        request=RequestFacts(
            request_id=held.request_id,
            traceparent=held.traceparent,
            client_address=held.client_address,
            user_agent=held.user_agent,
        ),
        expected_number=expected_number,
    )
    context.command_id, context.correlation_id = held.command_id, held.correlation_id
    context.causation_id = by.command_id
    context.attempt = _next_attempt(held)
    context.is_replay = True
    context.decision, context.tenant = held.decision, held.tenant
    context.depth = (held.decision or {}).get("depth", 0)
    return context


def cancelled(held: CommandRecord, error: Cancelled, *, by: Context) -> CommandRecord:
    """Return the record of the cancellation of a held command."""
    record = copy(held)
    record.attempt = _next_attempt(held)
    record.status = Status.CANCELLED
    record.causation_id = by.command_id
    # The time of the cancellation, so that a search of that day finds it.
    record.received_at, record.duration_us = timezone.now(), 0
    record.error_code, record.error_message = error.code, error.message
    return record


def _next_attempt(record: CommandRecord) -> int:
    ((attempt,),) = pipeline.execute(_NEXT_ATTEMPT, [record.command_id])
    return int(attempt)
