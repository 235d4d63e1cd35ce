"""The documentation of a viewset's method for the OpenAPI document.

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

The first sentence of the docstring is the operation's summary; ``tag`` on the viewset is its group.
``audit.rest.openapi.schema`` adds what operations share: the responses of commands (202 if held,
the Command-Id), headers, authentication and common problems. ``raises`` are the other problems of
this operation; ``sends_any`` adds those of every command.

The shape of a response is the TypedDict that the function which builds it returns; a list has
``lists=ApiKeyInList, query=ApiKeyListQuery`` instead. A serializer's field that drf-spectacular
does not know has its schema in an attribute ``json_schema``.
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

    ``gives`` and ``lists`` are shapes of responses, ``query`` its parameters; ``always`` and
    ``sometimes`` are headers of its response, besides those of all operations.
    """

    operation_id: str
    takes: type[Serializer] | None = None
    gives: Any = None
    lists: Any = None
    query: type[Serializer] | None = None
    succeeds_with: int = HTTPStatus.OK
    is_command: bool = False
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
    return _attaching("documentation", documentation)


def raised_by_any_command() -> Iterator[type[Exception]]:
    """Yield the errors that operations which send one command declare."""
    for documentation in _declared:
        if documentation.is_command and not documentation.is_for_people:
            yield from documentation.raises


def refuses_with(*kinds: type[Exception]) -> Callable[[Method], Method]:
    """Declare the errors with which a middleware or an authentication may refuse any request."""
    return _attaching("refuses_with", kinds)


def _attaching(name: str, value: Any) -> Callable[[Method], Method]:
    def attach(method: Method) -> Method:
        vars(method)[name] = value
        return method

    return attach
