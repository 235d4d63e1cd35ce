"""Attempts: a command with its context, and the records of it."""

import hashlib
import hmac
import json
import time
from copy import copy
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone
from uuid_utils.compat import uuid7

from audit.bus import authorization
from audit.bus.context import Context
from audit.bus.store import Emitted, Opening
from audit.installation.settings import countersign
from audit.messages import exceptions
from audit.messages.classes import NO_SUBJECT, Command, secret_fields
from audit.messages.exceptions import CommandError, FieldError, Invalid
from audit.messages.outcomes import Outcome, Postponed
from audit.messages.text import clean_text
from audit.messages.tracebacks import message_of
from audit.models.records import CommandRecord, Status
from audit.subjects import types

#: The longest chain of commands that each were sent in a reaction to the one before.
MOST_REACTIONS = 32
_LONGEST_MESSAGE = 1000
_LONGEST_NAME = 100
_MOST_ERRORS = 50


class Attempt:
    """A command with its context, from its arrival until it is settled."""

    def __init__(self, command: Command, context: Context) -> None:
        self.command = command
        self.subject = command.subject_reference()
        self.fingerprint = fingerprint(command, execute_after=context.execute_after)
        self.received_at = timezone.now()
        self._started = time.perf_counter_ns()
        self._given = context
        self.start_again(retries=0)

    def start_again(self, *, retries: int) -> None:
        """Discard all results of the previous run, which ended in a deadlock."""
        self.retries = retries
        self.outcome: Outcome | None = None
        self.error: CommandError | None = None
        self.xid: int | None = None
        self.is_logged = False
        self.context = copy(self._given)
        self.context.events = []
        self.context.subject = self.subject

    def continue_as(self, stored: CommandRecord, command: Command) -> None:
        """Become the next attempt at a command that failed before."""
        self.command = command
        self.subject = self.context.subject = command.subject_reference()
        self.context.command_id = stored.command_id
        self.context.correlation_id = stored.correlation_id
        self.context.causation_id = stored.causation_id
        self.context.attempt = stored.attempt + 1

    def admit(self, opening: Opening) -> None:
        """Set the number and the tenant of the subject.

        :raises TooManyReactions: if it is caused by a loop of reactions.
        :raises NotFound: if it belongs to a tenant that the actor may not see.
        :raises Forbidden: the same, if the actor may not send such commands at all: as if the
            subject were missing.
        :raises Invalid: if the command needs a tenant and names none.
        :raises PreconditionFailed: if it is not at a number that the caller expects.
        """
        context, self.xid = self.context, opening.xid
        if context.depth > MOST_REACTIONS:
            raise exceptions.TooManyReactions
        context.subject_number, context.facts = opening.number, opening.facts
        self._require_tenant()
        touched = [tenant for tenant in (opening.tenant, self.command.named_tenant()) if tenant]
        is_hidden = not all(context.actor.may_see(tenant) for tenant in touched)
        # Before any policy decides: it would decide differently on what is missing.
        if is_hidden or (opening.tenant is None and self._needs_tenant()):
            raise self._not_found()
        if touched:
            context.tenant = touched[0]
        elif context.subject and types.subject_type(context.subject.type):
            # A subject without a tenant, such as a policy, does not get the actor's tenant.
            context.tenant = ""
        self._expect(opening.number)

    def _require_tenant(self) -> None:
        """Refuse an empty tenant of an actor who acts for some: no one of them would see the row.

        :raises Invalid: if the actor acts for no tenant or for several, and the caller named none.
        """
        field = self.command.tenant_field
        if not field or self.command.named_tenant() or not self.context.actor.is_confined:
            return
        found = types.subject_type(self.subject.type) if self.subject else None
        if not (found and found.may_lack_tenant):
            authorization.check(self.command, self.context.actor)
            message = "is required, because you do not act for exactly one"
            raise Invalid(errors=[FieldError(field, "required", message)])

    def _needs_tenant(self) -> bool:
        """Return True if the subject should have a tenant already, as far as declarations say."""
        found = types.subject_type(self.subject.type) if self.subject else None
        is_new = self.command.tenant_field or self.command.creates_subject()
        return bool(found and found.tenant_field and not is_new)

    def _expect(self, number: int) -> None:
        context = self.context
        if context.expected_number is None and context.accepts is None:
            return
        if context.expected_number == number:
            return
        if unmet := self._unmet(number):
            authorization.check(self.command, context.actor)
            raise self._not_found() if self._is_hidden() else unmet
        context.expected_number = number

    def _unmet(self, number: int) -> exceptions.PreconditionFailed | None:
        """Return the error if the condition of the caller is not met."""
        accepts = self.context.accepts
        try:
            return None if accepts and accepts(number) else self._has_changed()
        except exceptions.PreconditionFailed as error:
            return error

    def _has_changed(self) -> exceptions.PreconditionFailed:
        # Who requested a replay has read nothing, and has nothing to decide.
        words = "The subject has changed since the request." if self.context.is_replay else ""
        return exceptions.PreconditionFailed(words)

    def _is_hidden(self) -> bool:
        """Return True if the command does not create its subject, and the actor sees no row of it.

        Otherwise an unmet condition would reveal that there is one.
        """
        subject = self.subject
        found = types.subject_type(subject.type) if subject else None
        if not (subject and found) or self.command.creates_subject():
            return False
        row = found.load(subject.id)
        return row is None or not types.is_visible(row, found, actor=self.context.actor)

    def _not_found(self) -> exceptions.NotFound:
        """Return the error for a subject that is missing, or that the actor may not see.

        :raises Forbidden: if the actor may not send such commands at all.
        """
        authorization.check(self.command, self.context.actor)
        field = self.command.tenant_field
        if field and self.command.creates_subject():
            message = "does not exist, or you have no access to it"
            errors = [FieldError(field, "does_not_exist", message)]
            return exceptions.NotFound(exceptions.joined(errors), errors=errors)
        return types.not_found(self.subject)

    @property
    def status(self) -> Status:
        """The status of the attempt by its error and outcome."""
        if self.error:
            is_refused = isinstance(self.error, exceptions.Refused)
            return Status.REFUSED if is_refused else Status.FAILED
        return Status.POSTPONED if isinstance(self.outcome, Postponed) else Status.SUCCEEDED

    def complete(self, outcome: Outcome) -> None:
        """Set the outcome. The outcome of an earlier command makes this one a duplicate of it."""
        self.outcome = outcome
        if outcome.command_id != self.context.command_id:
            same = {"same_as": str(outcome.command_id)}
            self.context.decision = (self.context.decision or {}) | same
            self.error = exceptions.SameAsEarlier()

    def roll_back(self) -> None:
        """Mark the attempt as rolled back with the transaction around it."""
        self.error = self.error or exceptions.RolledBack()

    def record(self) -> CommandRecord:
        """Return the record of the attempt in its current state."""
        context, error = self.context, self.error
        subject = self.subject or NO_SUBJECT
        result = (context.subject if self.status is Status.SUCCEEDED else None) or NO_SUBJECT
        return _record(
            type(self.command),
            context,
            data=self.command.as_json(),
            subject_type=subject.type,
            subject_id=subject.id,
            fingerprint=self.fingerprint,
            status=self.status,
            error_code=error.code if error else "",
            error_message=self.redact(_internal_message(error)) if error else "",
            result_type=result.type,
            result_id=result.id,
            received_at=self.received_at,
            duration_us=(time.perf_counter_ns() - self._started) // 1000,
            retries=self.retries,
        )

    def emitted(self) -> list[Emitted]:
        """Return the emitted events. The database numbers them."""
        return [
            Emitted(
                uuid7(),
                *(event.subject_reference() or NO_SUBJECT),
                message_type=event.message_type,
                schema_version=event.schema_version,
                tenant=self.context.tenant,
                data=event.as_json(),
            )
            for event in self.context.events
        ]

    def redact(self, text: str, *, longest: int = _LONGEST_MESSAGE) -> str:
        """Return a text without the secrets of the attempt, and storable."""
        secrets = [getattr(self.command, name) for name in secret_fields(type(self.command))]
        for secret in filter(None, [self.context.secret, *map(str, secrets)]):
            text = text.replace(secret, "[redacted]")
        return clean_text(text, longest=longest)


def fingerprint(command: Command, *, execute_after: datetime | None = None) -> bytes:
    """Return HMAC-SHA256 over the type and the fields that the caller supplied."""
    supplied = command.supplied()
    if execute_after is not None:
        supplied = {**supplied, "Execute-After": execute_after.isoformat()}
    return _fingerprint(command.message_type, supplied)


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
    return CommandRecord.of(
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
        decision=_decision(context),
        **outcome,
    )


def _decision(context: Context) -> dict[str, Any] | None:
    """Return the decision of the middleware, and which reactions led to the command."""
    if not context.depth:
        return context.decision
    decision = (context.decision or {}) | {"depth": context.depth}
    if context.reaction_to:
        decision["reaction_to"] = str(context.reaction_to)
    return decision


def _fingerprint(message_type: str, supplied: dict[str, Any]) -> bytes:
    return keyed_digest(json.dumps([message_type, supplied], sort_keys=True).encode())


def keyed_digest(content: bytes) -> bytes:
    """Return HMAC-SHA256 over content that may be a secret."""
    return hmac.digest(countersign().fingerprint_key, content, hashlib.sha256)


def _internal_message(error: CommandError) -> str:
    """Return the message for the record: for a crash also the cause, which callers do not see."""
    cause = error.__cause__
    if cause is None or isinstance(error, exceptions.Refused):
        return error.message
    return f"{error.message} ({type(cause).__name__}: {message_of(cause)})"
