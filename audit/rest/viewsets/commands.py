"""Viewsets for commands: parse, dispatch one command, present one outcome."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

from django.db import Error
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response

from audit.bus.dispatch import dispatch, refuse_input
from audit.entry.requests import LONGEST_REASON, context_of
from audit.messages.classes import Command
from audit.messages.exceptions import FieldError, Invalid, OutcomeUnknown, Place
from audit.messages.outcomes import Completed, Outcome, Postponed
from audit.messages.text import header_text
from audit.rest import exception_handlers, resources
from audit.rest.bodies import refuse_misfits
from audit.rest.parsers import refuse_chunks
from audit.rest.references import status_url
from audit.rest.viewsets.actors import ActorViewSet

# No comma: web servers join repeated headers by commas.
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,255}")
_ETAG = re.compile(r'"([0-9]{1,18})"')


class CommandInput(serializers.Serializer[Any]):
    """The fields that the body of every command may have."""

    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_REASON, help_text="The reason."
    )


class CommandViewSet(ActorViewSet):
    """A viewset whose writes are commands. Subclasses define the representation of results."""

    refuses_misfits: ClassVar[bool] = True
    #: The shape of what `represent_postponed` returns, for the OpenAPI document.
    postponed_shape: ClassVar[Any] = resources.PostponedCommand
    #: Names in the body that differ from the command's, by the command's name.
    field_names: ClassVar[Mapping[str, str]] = {}

    def handle_exception(self, exc: Exception) -> Response:
        """Rename the fields in errors to their names in the body."""
        if isinstance(exc, Invalid):
            exc.rename_fields(self.field_names)
        return super().handle_exception(exc)

    def prefetched(self, command: Command) -> AbstractContextManager[None]:
        """Return a context in which a command also reads what `represent` needs after COMMIT."""
        return nullcontext()

    def represent(self, completed: Completed) -> Any:
        """Return the response body for an executed command."""
        raise NotImplementedError

    def represent_postponed(self, postponed: Postponed) -> Mapping[str, Any]:
        """Return the response body for a held command."""
        return resources.postponed(postponed)

    def send(self, command_class: type[Command], **known: Any) -> Response:
        """Build a command from the body and ``known``, dispatch it and return the response.

        The method's ``documented`` has the shape of the body and the status of success. Invalid
        input is recorded as a refused command.
        """
        documentation = getattr(self, self.action).documentation
        context = context_of(self.request._request, channel=self.channel, actor=self.actor)
        try:
            values = self._input(documentation.takes or CommandInput)
            context.reason = self._reason(values.pop("reason", ""))
            context.idempotency_key = self._idempotency_key()
            context.expected_number = self._expected_number()
            command = command_class(**{**known, **values})
        except (Invalid, APIException) as error:
            refuse_input(command_class, _invalid(error), context=context)
        with self.prefetched(command):
            outcome = dispatch(command, context=context)
            try:
                return self._response(outcome, succeeds_with=documentation.succeeds_with)
            except Error as error:
                # Otherwise the response would say that nothing was changed.
                unknown = OutcomeUnknown()
                unknown.command_id = outcome.command_id
                raise unknown from error

    def _response(self, outcome: Outcome, *, succeeds_with: int) -> Response:
        headers = {"Command-Id": str(outcome.command_id)}
        if outcome.is_repeat:
            headers["Idempotency-Replayed"] = "true"
        if isinstance(outcome, Completed):
            if outcome.secret:
                headers["Cache-Control"] = "no-store"
            return Response(self.represent(outcome), status=succeeds_with, headers=headers)
        headers["Location"] = status_url(outcome.command_id)
        body = self.represent_postponed(outcome)
        return Response(body, status=status.HTTP_202_ACCEPTED, headers=headers)

    def _input(self, takes: type[CommandInput]) -> dict[str, Any]:
        refuse_chunks(self.request)
        # Most commands on one resource have no body, and validating it takes 200 µs.
        if takes is CommandInput and self.request.data == {}:
            return {}
        serializer = takes(data=self.request.data)
        if self.refuses_misfits:
            refuse_misfits(serializer, self.request.data)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def _reason(self, from_body: str) -> str:
        from_header = self.request.headers.get("Audit-Reason", "")
        return from_body or header_text(from_header, longest=LONGEST_REASON)

    def _idempotency_key(self) -> str | None:
        key = self.request.headers.get("Idempotency-Key")
        if key is None or _IDEMPOTENCY_KEY.fullmatch(key):
            return key
        message = (
            "must be a single key of 1 to 255 visible ASCII characters, without spaces and commas"
        )
        raise Invalid(errors=[FieldError("Idempotency-Key", "invalid", message, Place.HEADER)])

    def _expected_number(self) -> int | None:
        etag = self.request.headers.get("If-Match")
        if etag is None or etag == "*":
            return None
        if match := _ETAG.fullmatch(etag):
            return int(match[1])
        message = "must be an ETag as we gave it, with its quotes"
        raise Invalid(errors=[FieldError("If-Match", "invalid", message, Place.HEADER)])


def _invalid(error: Invalid | APIException) -> Invalid:
    """Convert an error of the framework to one for the record; it remains as the cause."""
    if isinstance(error, Invalid):
        return error
    is_about_fields = isinstance(error, ValidationError)
    found = list(exception_handlers.field_errors(error.detail)) if is_about_fields else []
    invalid = Invalid("" if found else str(error.detail), errors=found)
    invalid.__cause__ = error
    return invalid
