"""Views of REST framework whose writes are commands, as they are: the request is the command."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar, NoReturn

from django.core.exceptions import SuspiciousOperation
from django.db import transaction
from django.http import HttpRequest
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Empty, Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.adoption import bodies, replaying, serializers
from audit.adoption.commands import RefusedByView, SentRequest, ViewCommand
from audit.adoption.declaring import declare
from audit.adoption.recording import recorded
from audit.adoption.sending import Sending, checked_key, reason_of, repeat_of, send, status_of
from audit.entry.requests import context_of
from audit.messages.exceptions import CommandError, Failed
from audit.messages.outcomes import Outcome, Postponed
from audit.rest import resources
from audit.rest.callers import actor_of
from audit.rest.viewsets import outcomes


class NotSent(APIException):
    """The bus refused a request before or after the view: the API's own format is kept."""

    def __init__(self, error: CommandError) -> None:
        super().__init__(error.message, error.code)
        self.status_code = status_of(error).value


class CommandedView(APIView):
    """A view whose writes are commands: for any APIView, generic view or viewset.

    ``commands`` names the command of each action of a viewset, or method of a view in small
    letters. The view's own method executes it, and its response is the response. ``tries_first``:
    before a request is held, the view is run and rolled back; turn it off if the view does more
    than write to the database.
    """

    commands: ClassVar[Mapping[str, str | ViewCommand]] = {}
    channel: ClassVar[str] = "api"
    tries_first: ClassVar[bool] = True
    command_classes: ClassVar[Mapping[str, type[SentRequest]]] = {}
    #: The id for what this request creates, if its command ``reserves`` one.
    new_id: int | None = None
    _fault: Exception | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "commands" in vars(cls):
            cls.command_classes = {
                action: declare(
                    given,
                    kind=SentRequest,
                    view=cls.__name__,
                    always_masked=partial(_always_masked, cls, action),
                )
                for action, given in cls.commands.items()
            }

    @classmethod
    def as_view(cls, *args: Any, **kwargs: Any) -> Any:
        """Return the view; the bus opens its transaction, not ATOMIC_REQUESTS."""
        view: Any = super().as_view(*args, **kwargs)
        actions = getattr(view, "actions", None) or {}
        view.command_of = partial(_command_of, cls.command_classes, actions)
        return transaction.non_atomic_requests(view)

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Return the request; of one that is sent again, the body is as it was parsed."""
        found = super().initialize_request(request, *args, **kwargs)
        if command := replaying.resent(self._command_class(request)):
            vars(found)["_data"] = vars(found)["_full_data"] = replaying.parsed(command)
            vars(found)["_files"] = {}
        return found

    def check_throttles(self, request: Request) -> None:
        """Leave out a request that is sent again: it was counted when it was sent."""
        if not replaying.resent(self._command_class(request)):
            super().check_throttles(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Replace the method of the view by one that dispatches the command."""
        super().initial(request, *args, **kwargs)
        command_class = self._command_class(request)
        method = (request.method or "").lower()
        handler = getattr(self, method, None)
        if command_class is None or handler is None:
            return
        if command := replaying.resent(command_class):
            self.new_id = command.new_id
            replaying.begin()
            return
        vars(self)[method] = partial(self._send, command_class, handler)

    def _command_class(self, request: Request | HttpRequest) -> type[SentRequest] | None:
        actions = getattr(self, "action_map", None) or {}
        return _command_of(self.command_classes, actions, request.method or "")

    def _send(
        self,
        command_class: type[SentRequest],
        handler: Any,
        request: Request,
        *args: Any,
        **kwargs: Any,
    ) -> Response:
        context = context_of(
            request._request,
            channel=self.channel,
            actor=actor_of(request),
            reason=reason_of(request),
        )
        sending = Sending(
            run=partial(self._run, handler, request, args, kwargs), tries_first=self.tries_first
        )
        try:
            context.idempotency_key = checked_key(request, command_class, context=context)
            command = self._recorded(command_class, request, kwargs)
            outcome = send(sending, command, context=context)
        except CommandError as error:
            return self._unsuccessful(error)
        return self._successful(outcome, sending)

    def _recorded(
        self, command_class: type[SentRequest], request: Request, kwargs: dict[str, Any]
    ) -> SentRequest:
        data = self._parsed(request)
        return recorded(
            command_class,
            request._request,
            data,
            arguments=kwargs,
            masks=serializers.write_only_names(self) if data else (),
            by=getattr(self, "lookup_field", "pk"),
        )

    def _parsed(self, request: Request) -> Any:
        """Return the parsed body; None if it is malformed, which the view finds as well."""
        try:
            return request.data
        except (APIException, SuspiciousOperation) as error:
            self._fault = error
            return None

    def _run(
        self,
        handler: Any,
        request: Request,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        command: SentRequest,
    ) -> Response:
        """Run the method as REST framework does, so that errors become the API's responses."""
        self.new_id = command.new_id
        bodies.rewind(request._request)
        if self._fault is not None:
            _fail_once(request, self._fault)
        vars(self).update(
            {
                "initialize_request": lambda *_, **__: request,
                "initial": lambda *_, **__: None,
                (request.method or "").lower(): handler,
            }
        )
        return APIView.dispatch(self, request, *args, **kwargs)  # type: ignore[return-value]

    def _successful(self, outcome: Outcome, sending: Sending) -> Response:
        found = outcomes.headers(outcome)
        if isinstance(outcome, Postponed):
            body = resources.postponed(outcome)
            return Response(body, status=status.HTTP_202_ACCEPTED, headers=found)
        if outcome.is_repeat:
            return Response(repeat_of(outcome), headers=found)
        return self._own(sending.response, found)

    def _unsuccessful(self, error: CommandError) -> Response:
        """Return the view's response; raise what it raised, or the refusal of the bus.

        :raises NotSent: if the bus refused the request.
        """
        if isinstance(error, RefusedByView) and error.response is not None:
            return self._own(error.response, {"Command-Id": str(error.command_id)})
        if isinstance(error, Failed) and error.__cause__ is not None:
            vars(self)["handle_exception"] = _raise
            raise error.__cause__
        self.headers = self.headers | outcomes.identifying(error)
        raise NotSent(error) from error

    def _own(self, response: Any, headers: Mapping[str, str]) -> Response:
        """Return a response of the view, which is finished, with further headers."""
        vars(self)["finalize_response"] = _unchanged
        for name, value in headers.items():
            response.headers[name] = value
        return response  # type: ignore[no-any-return]


def _command_of(
    command_classes: Mapping[str, type[SentRequest]], actions: Mapping[str, str], method: str
) -> type[SentRequest] | None:
    name = method.lower()
    return command_classes.get(actions.get(name, name)) or command_classes.get(name)


def _always_masked(view: type[CommandedView], action: str) -> tuple[str, ...]:
    """Return the names of values that each such request has and that are not recorded."""
    serializer_class = getattr(view, "serializer_class", None)
    if serializer_class is None or action not in ("create", "update", "post", "put"):
        return ()
    return serializers.unrecorded_names(serializer_class)


def _fail_once(request: Request, fault: Exception) -> None:
    """Make the view fail on the body once, where it first reads it, as it would have."""
    left = {name: vars(request).get(name, Empty) for name in ("_data", "_files", "_full_data")}

    def parse() -> NoReturn:
        del vars(request)["_parse"]
        vars(request).update(left)
        raise fault

    vars(request).update(dict.fromkeys(left, Empty), _parse=parse)


def _unchanged(_request: Request, response: Response, *_: Any, **__: Any) -> Response:
    return response


def _raise(error: BaseException) -> NoReturn:
    raise error
