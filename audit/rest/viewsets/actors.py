"""Viewsets with an actor."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

from django.db import transaction
from django.http import HttpRequest
from rest_framework import status
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from audit.actors.actors import Actor
from audit.messages.exceptions import CommandError, Invalid
from audit.rest import exception_handlers
from audit.rest.callers import Caller, actor_of, caller
from audit.rest.listing import Parameters
from audit.rest.negotiation import JSONNegotiation
from audit.rest.openapi.operations import documented
from audit.rest.openapi.schema import OperationSchema
from audit.rest.parsers import StrictJSONParser
from audit.rest.viewsets import conditional

ExceptionHandler: TypeAlias = Callable[[Exception, dict[str, Any]], Response]


class ActorViewSet(ViewSet):
    """A viewset with an actor. Version 2 is the default.

    ``tag`` groups its operations in the OpenAPI document. ``is_conditional``: every response to a
    GET has an ETag. ``refuses_misfits``: unknown parameters and fields are refused.
    """

    # The project's defaults are for its own views, and may let everyone in.
    permission_classes: Sequence[Any] = (IsAuthenticated,)
    parser_classes: Sequence[Any] = (StrictJSONParser,)
    renderer_classes = (JSONRenderer,)
    content_negotiation_class = JSONNegotiation
    schema = OperationSchema()

    channel: ClassVar[str] = "v2"
    tag: ClassVar[str] = ""
    is_conditional: ClassVar[bool] = True
    refuses_misfits: ClassVar[bool] = True

    @classmethod
    def as_view(cls, *args: Any, **kwargs: Any) -> Any:
        """Return the view, which ATOMIC_REQUESTS leaves alone: the bus opens the transaction."""
        return transaction.non_atomic_requests(super().as_view(*args, **kwargs))

    @property
    def actor(self) -> Actor:
        """The caller: the API key of the request, or the signed-in user."""
        return actor_of(self.request)

    def get_exception_handler(self) -> ExceptionHandler:
        """Return the handler that formats errors for this version."""
        return exception_handlers.problem_details

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Also refuse query parameters of an operation that has none.

        :raises Invalid: if there is one. Commands check theirs themselves, to record the refusal.
        """
        super().initial(request, *args, **kwargs)
        documentation = getattr(getattr(self, self.action or "", None), "documentation", None)
        if documentation and not (documentation.query or documentation.is_command):
            self._refuse_parameters(request)

    def _refuse_parameters(self, request: Request) -> None:
        if self.refuses_misfits and request.META.get("QUERY_STRING"):
            Parameters.of(request)

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        """Return the response, of a GET with its ETag, or 304 or 412 by the caller's condition."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if not self._has_etag(response):
            return response
        try:
            conditional.add_etag(response, request)
        except (Invalid, conditional.ConditionNotMet) as error:
            return self._finalize_error(request, error)
        return response

    def _has_etag(self, response: Response) -> bool:
        is_read = self.request.method in ("GET", "HEAD")
        return self.is_conditional and is_read and response.status_code == status.HTTP_200_OK

    def _finalize_error(self, request: Request, error: CommandError) -> Response:
        refusal = self.get_exception_handler()(error, self.get_exception_handler_context())
        return super().finalize_response(request, refusal)

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Return the allowed methods in ``Allow``, without DRF's description of our code."""
        return Response(status=status.HTTP_204_NO_CONTENT)


class WhoamiViewSet(ActorViewSet):
    """The caller's identity and rights."""

    tag = "whoami"

    @documented("whoami", gives=Caller)
    def retrieve(self, request: Request) -> Response:
        """Return the caller's identity, customers and rights."""
        return Response(caller(self.actor))
