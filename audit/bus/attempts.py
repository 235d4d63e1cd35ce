"""One attempt at a command: what it needs to run, and the records that tell of it."""

import hashlib
import hmac
import json
import time
from copy import copy
from dataclasses import replace
from typing import Any, TypedDict

from django.conf import settings
from django.utils import timezone
from uuid_utils.compat import uuid7

from audit.bus.context import Context
from audit.bus.store import Emitted, Opening, Twin
from audit.messages.classes import Command, Event, secret_fields
from audit.messages.exceptions import (
    CommandError,
    Invalid,
    NotFound,
    PreconditionFailed,
    RolledBack,
    SameAsEarlier,
)
from audit.messages.exceptions import Refused as RefusedError
from audit.messages.outcomes import Outcome, Postponed
from audit.messages.text import clean_text
from audit.models.records import CommandRecord, Status
from audit.subjects import types

_LONGEST_MESSAGE = 1000
_LONGEST_NAME = 100
_MOST_ERRORS = 50


class SubjectColumns(TypedDict):
    """What a record or an event says of its subject; empty where there is none."""

    subject_type: str
    subject_id: str


class Attempt:
    """A command with its context, from its arrival until it is settled."""

    def __init__(self, command: Command, context: Context) -> None:
        self.command = command
        self.fingerprint = fingerprint(command)
        self.received_at = timezone.now()
        self._started = time.perf_counter_ns()
        self._given = context
        self.start_again(retries=0)

    def start_again(self, *, retries: int) -> None:
        """Begin anew after a deadlock, with nothing left from the run before."""
        self.retries = retries
        self.outcome: Outcome | None = None
        self.error: CommandError | None = None
        self.xid: int | None = None
        self.is_logged = False
        self.context = copy(self._given)
        self.context.events = []
        self.context.subject = self.command.subject_reference()

    def continue_as(self, stored: CommandRecord, command: Command) -> None:
        """Become the next attempt at a command that failed before."""
        self.command = command
        self.context.command_id = stored.command_id
        self.context.correlation_id = stored.correlation_id
        self.context.causation_id = stored.causation_id
        self.context.attempt = stored.attempt + 1
        self.context.subject = command.subject_reference()

    def admit(self, opening: Opening) -> None:
        """Take in where the subject stands and whose it is.

        :raises NotFound: if it belongs to a tenant that is not the actor's to see.
        :raises PreconditionFailed: if it is not at the number that the caller expects.
        """
        context, self.xid = self.context, opening.xid
        context.subject_number, context.facts = opening.number, opening.facts
        touched = [tenant for tenant in (opening.tenant, self.command.named_tenant()) if tenant]
        if not all(context.actor.may_see(tenant) for tenant in touched):
            raise NotFound(not_found_message(context))
        if touched:
            context.tenant = touched[0]
        elif context.subject and types.subject_type(context.subject.type):
            # What belongs to no tenant, such as a policy, is not the actor's tenant's either.
            context.tenant = ""
        if context.expected_number not in (None, opening.number):
            raise PreconditionFailed

    @property
    def twin(self) -> Twin:
        """Where an earlier command under the same Idempotency-Key would be found."""
        actor = self.context.actor
        return Twin(actor.kind, actor.id, self.context.idempotency_key)

    @property
    def status(self) -> Status:
        """What this attempt came to."""
        match self.error, self.outcome:
            case RefusedError(), _:
                return Status.REFUSED
            case None, Postponed():
                return Status.POSTPONED
            case None, _:
                return Status.SUCCEEDED
            case _:
                return Status.FAILED

    def came_to(self, outcome: Outcome) -> None:
        """Take in the outcome. If it is that of an earlier command, this one never was one."""
        self.outcome = outcome
        if outcome.command_id != self.context.command_id:
            self.context.decision = {
                **(self.context.decision or {}),
                "same_as": str(outcome.command_id),
            }
            self.error = SameAsEarlier(f"This was already requested: {outcome.command_id}.")

    def roll_back(self) -> None:
        """Tell that the transaction around this attempt was undone."""
        if self.error is None:
            self.error = RolledBack()

    def record(self) -> CommandRecord:
        """Return the record of the attempt in its current state."""
        context, error = self.context, self.error
        result = context.subject if self.status is Status.SUCCEEDED else None
        return _record(
            type(self.command),
            context,
            data=self.command.as_json(),
            **_subject_columns(self.command),
            fingerprint=self.fingerprint,
            status=self.status,
            error_code=error.code if error else "",
            error_message=self.redact(_internal_message(error)) if error else "",
            result_type=result.type if result else "",
            result_id=result.id if result else "",
            received_at=self.received_at,
            duration_us=(time.perf_counter_ns() - self._started) // 1000,
            retries=self.retries,
        )

    def emitted(self) -> list[Emitted]:
        """Tell what was emitted. The numbers of the events are given by the database."""
        return [
            Emitted(
                id=uuid7(),
                message_type=event.message_type,
                schema_version=event.schema_version,
                data=event.as_json(),
                tenant=self.context.tenant,
                **_subject_columns(event),
            )
            for event in self.context.events
        ]

    def redact(self, text: str) -> str:
        """Strike every secret that this attempt knows of from a text."""
        secrets = [getattr(self.command, name) for name in secret_fields(type(self.command))]
        for secret in filter(None, [self.context.secret, *map(str, secrets)]):
            text = text.replace(secret, "[redacted]")
        return clean_text(text, longest=_LONGEST_MESSAGE)


def fingerprint(command: Command) -> bytes:
    """Return HMAC-SHA256 over the type and the fields that the caller supplied."""
    return _fingerprint(command.message_type, command.supplied())


def refused_input(
    command_class: type[Command], error: Invalid, *, context: Context
) -> CommandRecord:
    """Return the record of unreadable input: field names and error codes, without any value."""
    errors = [
        {"field": clean_text(each.field, longest=_LONGEST_NAME), "code": each.code}
        for each in error.errors[:_MOST_ERRORS]
    ]
    return _record(
        command_class,
        replace(context, idempotency_key=None),
        data={"errors": errors},
        fingerprint=_fingerprint("", {}),
        status=Status.REFUSED,
        error_code=getattr(error.__cause__, "default_code", error.code),
        error_message=Invalid().message,
        received_at=timezone.now(),
        duration_us=0,
        retries=0,
    )


def _record(command_class: type[Command], context: Context, **outcome: Any) -> CommandRecord:
    """Return a record of a command: its type, its context and its outcome."""
    actor, request = context.actor, context.request
    return CommandRecord.telling(
        command_id=context.command_id,
        attempt=context.attempt,
        message_type=command_class.message_type,
        schema_version=command_class.schema_version,
        tenant=context.tenant,
        correlation_id=context.correlation_id,
        causation_id=context.causation_id,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_person=actor.person_id,
        actor_label=actor.label,
        channel=context.channel,
        reason=context.reason,
        request_id=request.request_id,
        traceparent=request.traceparent,
        idempotency_key=context.idempotency_key,
        client_address=request.client_address,
        user_agent=request.user_agent,
        decision=context.decision,
        **outcome,
    )


def _fingerprint(message_type: str, supplied: dict[str, Any]) -> bytes:
    content = json.dumps([message_type, supplied], sort_keys=True)
    return hmac.digest(settings.AUDIT_FINGERPRINT_KEY, content.encode(), hashlib.sha256)


def not_found_message(context: Context) -> str:
    """Say that there is no such subject, in the same words whether it is missing or another's."""
    return f"There is no {context.subject.type} {context.subject.id}." if context.subject else ""


def _subject_columns(message: Command | Event) -> SubjectColumns:
    subject = message.subject_reference()
    if subject is None:
        return {"subject_type": "", "subject_id": ""}
    return {"subject_type": subject.type, "subject_id": subject.id}


def _internal_message(error: CommandError) -> str:
    """Say what the record says: for a crash also what crashed, which callers are not told."""
    cause = error.__cause__
    if cause is None or isinstance(error, RefusedError):
        return error.message
    # The details of a database error quote values of rows; its primary message does not.
    diagnosis = getattr(cause.__cause__, "diag", None)
    said = getattr(diagnosis, "message_primary", None) or str(cause)
    return f"{error.message} ({type(cause).__name__}: {said})"
