"""The way from HTTP to the bus: parse, dispatch one command, present one outcome."""

import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

from django.urls import reverse
from rest_framework import serializers, status
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from audit import bus, exception_handlers, postponements, resources
from audit.actors import Actor
from audit.context import Context
from audit.exceptions import FieldError, Invalid, NotFound
from audit.messages import Command
from audit.models import CommandRecord
from audit.outcomes import Completed, Outcome, Postponed
from audit.requests import actor_of_request, clean_text, header_text, request_facts

ExceptionHandler: TypeAlias = Callable[[Exception, dict[str, Any]], Response]

_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ETAG = re.compile(r'"([0-9]{1,18})"')
LONGEST_REASON = 1000


class CommandInput(serializers.Serializer[Any]):
    """What a body may hold beside the fields of the command."""

    reason = serializers.CharField(
        required=False, allow_blank=True, max_length=LONGEST_REASON, help_text="Why you do this."
    )


class ActorViewSet(ViewSet):
    """A viewset that knows who is calling. Version 2 is the default."""

    channel: ClassVar[str] = "v2"

    @property
    def actor(self) -> Actor:
        """Who is calling: the key that came with the request, or the person signed in."""
        auth = self.request.auth
        return auth if isinstance(auth, Actor) else actor_of_request(self.request._request)

    def get_exception_handler(self) -> ExceptionHandler:
        """Answer errors in the form of this version."""
        return exception_handlers.problem_details


class CommandViewSet(ActorViewSet):
    """A viewset whose writes are commands. Subclasses say how results are presented."""

    refuses_unknown_fields: ClassVar[bool] = True

    def represent(self, completed: Completed) -> Any:
        """Present what came of a command that was carried out."""
        raise NotImplementedError

    def represent_postponed(self, postponed: Postponed) -> Any:
        """Present a command that is held."""
        return resources.postponed(postponed)

    def send(
        self,
        command_class: type[Command],
        *,
        takes: type[CommandInput] = CommandInput,
        succeeds_with: int = status.HTTP_200_OK,
        **known: Any,
    ) -> Response:
        """Build a command from the body and what the route knows, dispatch it and present it."""
        context = Context(
            actor=self.actor, channel=self.channel, request=request_facts(self.request._request)
        )
        try:
            values = self._input(takes)
            context.reason = self._reason(values.pop("reason", ""))
            context.idempotency_key = self._idempotency_key()
            context.expected_number = self._expected_number()
            command = command_class(**{**known, **values})
        except (Invalid, APIException) as error:
            bus.refuse_input(command_class, _invalid(error), context=context)
        return self._answer(bus.dispatch(command, context=context), succeeds_with=succeeds_with)

    def _answer(self, outcome: Outcome, *, succeeds_with: int) -> Response:
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
        serializer = takes(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        if self.refuses_unknown_fields:
            unknown = sorted(set(self.request.data) - set(serializer.fields))
            if unknown:
                raise Invalid(
                    errors=[FieldError(name, "unknown", "is no field here") for name in unknown]
                )
        return dict(serializer.validated_data)

    def _reason(self, from_body: str) -> str:
        from_header = header_text(self.request.headers.get("Audit-Reason", ""))
        return from_body or clean_text(from_header, longest=LONGEST_REASON)

    def _idempotency_key(self) -> str | None:
        key = self.request.headers.get("Idempotency-Key")
        if key is None or _IDEMPOTENCY_KEY.fullmatch(key):
            return key
        words = "must be 1 to 255 visible ASCII characters without spaces"
        raise Invalid(errors=[FieldError("Idempotency-Key", "invalid", words)])

    def _expected_number(self) -> int | None:
        etag = self.request.headers.get("If-Match")
        if etag is None or etag == "*":
            return None
        if match := _ETAG.fullmatch(etag):
            return int(match[1])
        words = "must be an ETag as we gave it, with its quotes"
        raise Invalid(errors=[FieldError("If-Match", "invalid", words)])


class CommandStatusViewSet(ActorViewSet):
    """Where a command stands."""

    def retrieve(self, request: Request, command_id: UUID) -> Response:
        """Tell the status of a command, its approvals, its attempts and its events."""
        records = list(CommandRecord.objects.filter(command_id=command_id).order_by("attempt"))
        if not records or not resources.may_read(self.actor, records[0]):
            message = f"There is no command {command_id}."
            raise NotFound(message)
        return Response(resources.command(records, progress=postponements.progress(command_id)))


class WhoamiViewSet(ActorViewSet):
    """Who one is."""

    def retrieve(self, request: Request) -> Response:
        """Tell who is calling, for whom that one acts, and what that one may do."""
        return Response(resources.actor(self.actor))


def _invalid(error: Invalid | APIException) -> Invalid:
    """Say in the words of the log what the framework found wrong; the framework's own are kept."""
    if isinstance(error, Invalid):
        return error
    is_about_fields = isinstance(error, ValidationError)
    found = list(exception_handlers.field_errors(error.detail)) if is_about_fields else []
    invalid = Invalid("" if found else str(error.detail), errors=found)
    invalid.__cause__ = error
    return invalid


def status_url(command_id: UUID) -> str:
    """Tell where the status of a command is found."""
    return reverse("command-status", kwargs={"command_id": command_id})
