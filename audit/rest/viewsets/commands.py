"""Viewsets for commands: parse, dispatch one command, present one outcome."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from typing import Any, ClassVar

from django.db import Error
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response

from audit.bus import authorization
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, preview, refuse_input
from audit.entry.requests import LONGEST_REASON, context_of
from audit.messages.classes import Command
from audit.messages.exceptions import Invalid, OutcomeUnknown, Refused
from audit.messages.outcomes import (
    Completed,
    Outcome,
    Postponed,
    ReplayFailed,
    ReplayRefused,
    Trial,
)
from audit.messages.text import header_text
from audit.rest import exception_handlers, resources, times
from audit.rest.bodies import refuse_misfits
from audit.rest.parsers import refuse_chunks
from audit.rest.viewsets import conditional, dry_runs, outcomes
from audit.rest.viewsets.actors import ActorViewSet


class CommandInput(serializers.Serializer[Any]):
    """The fields that the body of every command may have."""

    default_error_messages: ClassVar = {"invalid": "must be a JSON object"}

    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_REASON, help_text="The reason."
    )


class CommandViewSet(ActorViewSet):
    """A viewset whose writes are commands. Subclasses define the representation of results."""

    least_input: ClassVar[type[CommandInput]] = CommandInput
    #: For the OpenAPI document, with the shape of the response to a dry run.
    write_parameters: ClassVar[Any] = dry_runs.DryRunParameters
    dry_run_shape: ClassVar[Any] = dry_runs.DryRun
    #: The shape of what `represent_postponed` returns, for the OpenAPI document.
    postponed_shape: ClassVar[Any] = resources.PostponedCommand
    #: Used without the header ``Execute-After``.
    execute_after: datetime | None = None
    #: Names in the body that differ from the command's, by the command's name.
    field_names: ClassVar[Mapping[str, str]] = {}

    def prefetched(self, command: Command) -> AbstractContextManager[None]:
        """Return a context in which a command also reads what `represent` needs after COMMIT."""
        return nullcontext()

    def set_condition(self, context: Context, command: Command) -> None:
        """Set the condition on the number of the subject, from If-Match and If-None-Match.

        :raises Invalid: if a header is not a list of ETags.
        """
        context.accepts = conditional.accepts(self.request, command)

    def represent(self, completed: Completed) -> Any:
        """Return the resource that an executed command created or changed."""
        raise NotImplementedError

    def with_secret(self, shown: Any, completed: Completed) -> Any:
        """Return the response body: the resource, with what is shown only once."""
        return shown

    def represent_postponed(self, postponed: Postponed) -> Mapping[str, Any]:
        """Return the response body for a held command."""
        return resources.postponed(postponed)

    def send(self, command_class: type[Command], **known: Any) -> Response:
        """Build a command from the body and ``known``, dispatch it and return the response.

        The method's ``documented`` has the shape of the body and the status of success. Invalid
        input is recorded as a refused command. With ``?dry_run=true``, nothing is done or recorded.
        """
        documentation = getattr(self, self.action).documentation
        context = context_of(self.request._request, channel=self.channel, actor=self.actor)
        is_dry_run = False
        try:
            is_dry_run = self._is_dry_run()
            values = self._input(documentation.takes or self.least_input)
            context.reason = self._reason(values.pop("reason", ""))
            context.idempotency_key = outcomes.idempotency_key(
                self.request, may_be_quoted=self.is_conditional
            )
            if self.is_conditional:
                context.execute_after = times.execute_after(self.request) or self.execute_after
            with self._in_names_of_the_body():
                command = command_class(**{**known, **values})
            self.set_condition(context, command)
        except (Invalid, APIException) as error:
            if is_dry_run:
                return self._would_be_refused(_invalid(error))
            refuse_input(command_class, _invalid(error), context=context)
        if is_dry_run:
            return self._dry_run(command, context)
        with self._in_names_of_the_body(), self.prefetched(command):
            outcome = dispatch(command, context=context)
            try:
                return self._response(outcome, succeeds_with=documentation.succeeds_with)
            except Error as error:
                # Otherwise the response would say that nothing was changed.
                unknown = OutcomeUnknown()
                unknown.command_id = outcome.command_id
                raise unknown from error

    def refuse(self, error: Refused) -> Response:
        """Return what a dry run shows of an error found before the command; raise it otherwise."""
        if self._is_dry_run():
            return self._would_be_refused(error)
        raise error

    @contextmanager
    def _in_names_of_the_body(self) -> Iterator[None]:
        """Rename the fields in an error of the command; errors in the body have its names."""
        try:
            yield
        except Invalid as error:
            self._rename_fields(error)
            raise

    def _rename_fields(self, error: Refused) -> None:
        if isinstance(error, Invalid):
            error.rename_fields(self.field_names)

    def _is_dry_run(self) -> bool:
        # Version 1 ignores all query parameters.
        has_parameters = self.refuses_misfits and self.request._request.META.get("QUERY_STRING")
        return bool(has_parameters) and dry_runs.is_requested(self.request)

    def _dry_run(self, command: Command, context: Context) -> Response:
        authorization.check(command, context.actor)
        trial = Trial(look=self._shown, timeout=dry_runs.TIMEOUT)
        rehearsal = preview(command, context=context, trial=trial)
        match rehearsal.outcome:
            case ReplayRefused(error=error):
                self._rename_fields(error)
                return self._would_be_refused(error)
            case ReplayFailed(error=error):
                error.command_id = None
                raise error
            case Postponed():
                return dry_runs.response(dry_runs.Prospect.HOLD, approval=rehearsal.seen)
            case Completed():
                return dry_runs.response(dry_runs.Prospect.SUCCESS, resource=rehearsal.seen)

    def _shown(self, outcome: Outcome) -> Any:
        """Return what a dry run shows of an outcome, before the rollback."""
        if isinstance(outcome, Postponed):
            return dry_runs.required_approval(outcome)
        return self.represent(outcome)

    def _would_be_refused(self, error: Refused) -> Response:
        error.command_id = None
        # As in a real call, which may raise it.
        problem = self.handle_exception(error).data
        return dry_runs.response(dry_runs.Prospect.REFUSAL, problem=problem)

    def _response(self, outcome: Outcome, *, succeeds_with: int) -> Response:
        headers = outcomes.headers(outcome)
        if isinstance(outcome, Completed):
            if outcome.secret:
                headers["Cache-Control"] = "no-store"
            shown = self.represent(outcome)
            headers |= self._headers_of(shown, status_code=succeeds_with)
            body = self.with_secret(shown, outcome)
            return Response(body, status=succeeds_with, headers=headers)
        if self.is_conditional:
            headers["Retry-After"] = outcomes.RETRY_AFTER_SECONDS
        body = self.represent_postponed(outcome)
        return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)

    def _headers_of(self, shown: Any, *, status_code: int) -> dict[str, str]:
        if not self.is_conditional or not isinstance(shown, Mapping):
            return {}
        headers = {"ETag": conditional.etag(shown)} if "version" in shown else {}
        is_created = status_code == status.HTTP_201_CREATED and "url" in shown
        return headers | ({"Location": shown["url"]} if is_created else {})

    def _input(self, takes: type[CommandInput]) -> dict[str, Any]:
        refuse_chunks(self.request)
        # Most commands on one resource have no body, and validating it takes 200 µs.
        if takes is self.least_input and self.request.data == {}:
            return {}
        serializer = takes(data=self.request.data)
        if self.refuses_misfits:
            refuse_misfits(serializer, self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def _reason(self, from_body: str) -> str:
        from_header = self.request.headers.get("Audit-Reason", "")
        return from_body or header_text(from_header, longest=LONGEST_REASON)


def _invalid(error: Invalid | APIException) -> Invalid:
    """Convert an error of the framework to one for the record; it remains as the cause."""
    if isinstance(error, Invalid):
        return error
    is_about_fields = isinstance(error, ValidationError)
    found = list(exception_handlers.field_errors(error.detail)) if is_about_fields else []
    invalid = Invalid("" if found else str(error.detail), errors=found)
    invalid.__cause__ = error
    return invalid
