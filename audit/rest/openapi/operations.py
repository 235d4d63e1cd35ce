"""What a viewset's method says of itself for the document of the API.

    @documented(
        "create_api_key",
        takes=CreateApiKeyInput,
        gives=CreatedApiKey,
        succeeds_with=status.HTTP_201_CREATED,
        is_command=True,
        raises=(UnknownScope,),
    )
    def create(self, request: Request) -> Response:
        '''Create a key and return its secret, once.'''

The first sentence of the docstring is the operation's summary, and ``tag`` on the viewset says what
it is about. All that operations share is added by ``audit.rest.openapi.schema``: what every command
answers beside its result (202 where it is held, the Command-Id), the headers of requests and
answers, who may call, and the problems that any of them can come to. ``raises`` names those that
only this one can come to; what ``sends_any`` command adds those of every other one.

What the answer looks like is said by a TypedDict, which the function that builds the answer
returns; a list has ``lists=ApiKeyInList, query=ApiKeyListQuery`` instead. A serializer's field that
drf-spectacular does not know has its schema in an attribute ``json_schema``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from rest_framework.serializers import Serializer

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Documentation:
    """One operation.

    ``gives`` and ``lists`` are shapes of answers, ``query`` its parameters; ``always`` and
    ``sometimes`` name headers of its answer beside those that all have.
    """

    operation_id: str
    takes: type[Serializer] | None = None
    gives: Any = None
    lists: Any = None
    query: type[Serializer] | None = None
    succeeds_with: int = HTTPStatus.OK
    is_command: bool = False
    is_conditional: bool = False
    always: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()
    needs_caller: bool = True
    is_for_people: bool = False
    raises: tuple[type[Exception], ...] = ()
    sends_any: bool = False


_declared: list[Documentation] = []


def documented(operation_id: str, **facts: Any) -> Callable[[Method], Method]:
    """Document a method of a viewset; the facts are the fields of ``Documentation``."""
    documentation = Documentation(operation_id=operation_id, **facts)
    _declared.append(documentation)

    def attach(method: Method) -> Method:
        vars(method)["documentation"] = documentation
        return method

    return attach


def raised_by_any_command() -> Iterator[type[Exception]]:
    """List with what a command may be refused, whichever it is."""
    for documentation in _declared:
        if documentation.is_command and not documentation.is_for_people:
            yield from documentation.raises


def refuses_with(*kinds: type[Exception]) -> Callable[[Method], Method]:
    """Say of a middleware of the bus with what it may refuse any command at all."""

    def attach(middleware: Method) -> Method:
        vars(middleware)["refuses_with"] = kinds
        return middleware

    return attach
