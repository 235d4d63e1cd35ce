"""Lists over HTTP: their checked parameters, and stable pages.

A list declares its parameters, and reads a page of a query set:

    class ApiKeyListQuery(ListQuery):
        resource_fields = ("id", "name", …)
        orders = (Order("newest", Key("created_at", datetime), Key("pk", UUID)),)
        state = serializers.ChoiceField(choices=State.values, required=False)

    query = ApiKeyListQuery.of(request)
    found = page(keys.filter(…), query)
    return Response(body(request, query, map(as_json, found.rows), cursor=found.cursor))

A page begins after the last row of the previous page, by comparison with that row's values. So the
thousandth page costs no more than the first, and new rows do not shift the pages.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import Model, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from audit.log.orders import Order, Values
from audit.messages.characters import quoted
from audit.messages.exceptions import FieldError, Invalid, Place
from audit.rest import exception_handlers

MOST_RESULTS = 100
USUAL_RESULTS = 25
# Candidates read per row of a page: enough, since nearly all of them match.
_TIMES_WANTED = 2
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")

_Row = TypeVar("_Row", bound=Model)


class FieldNamesField(serializers.Field):
    """Names of a resource's fields, separated by commas."""

    def __init__(self, names: Iterable[str], **options: Any) -> None:
        super().__init__(**options)
        self.names = tuple(names)
        either = "|".join(self.names)
        self.json_schema = {"type": "string", "pattern": f"^({either})(,({either}))*$"}

    def to_internal_value(self, data: Any) -> frozenset[str]:
        """Return the names.

        :raises ValidationError: if a name is unknown.
        """
        names = [name.strip() for name in str(data).split(",")]
        unknown = [name for name in names if name not in self.names]
        if unknown:
            listed = ", ".join(map(quoted, unknown))
            raise serializers.ValidationError(f"{listed} is not a known field", code="unknown")
        return frozenset(names)

    def to_representation(self, value: frozenset[str]) -> str:
        """Return the names in the order of the resource, separated by commas."""
        return ",".join(name for name in self.names if name in value)


class WholeNumberField(serializers.IntegerField):
    """A whole number that contains only digits, within limits."""

    def __init__(self, *, min_value: int, max_value: int, **options: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **options)
        self._limits = range(min_value, max_value + 1)
        needed = f"must be a whole number from {min_value} to {max_value}"
        self.error_messages["invalid"] = needed

    def to_internal_value(self, data: Any) -> int:
        if not _WHOLE_NUMBER.fullmatch(str(data)) or int(data) not in self._limits:
            self.fail("invalid")
        return int(data)


class Parameters(serializers.Serializer[Any]):
    """The query parameters of a URL."""

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        """Return the checked parameters of a request.

        :raises Invalid: if a parameter is unknown, repeated or invalid. Otherwise a misspelled
            filter would return everything.
        """
        given = request.query_params
        serializer = cls(data=given.dict())
        _refuse(_unreadable(given.lists(), known=serializer.fields))
        if not serializer.is_valid():
            _refuse(exception_handlers.field_errors(serializer.errors))
        return dict(serializer.validated_data)


class ListQuery(Parameters):
    """The query parameters of a list; subclasses add their filters.

    ``resource_fields`` are the names that ``fields`` may contain. The first of the ``orders`` is
    the default.
    """

    resource_fields: ClassVar[tuple[str, ...]] = ()
    orders: ClassVar[tuple[Order, ...]]

    cursor = serializers.CharField(
        required=False, max_length=2000, help_text="The start of the page: follow `next` instead."
    )
    limit = WholeNumberField(
        min_value=1,
        max_value=MOST_RESULTS,
        default=USUAL_RESULTS,
        help_text="The number of results.",
    )

    def get_fields(self) -> dict[str, serializers.Field]:
        """Add fields that depend on the list. Declared, ``fields`` would hide DRF's property."""
        own: dict[str, serializers.Field] = dict(super().get_fields())
        names = [order.name for order in self.orders]
        own["order"] = serializers.ChoiceField(choices=names, default=names[0])
        if self.resource_fields:
            help_text = "Only these fields: names separated by commas."
            own["fields"] = FieldNamesField(
                self.resource_fields, required=False, help_text=help_text
            )
        return own

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Replace the name of the order by the order, and read the cursor."""
        order = next(each for each in self.orders if each.name == attrs["order"])
        if "cursor" in attrs:
            attrs["cursor"] = _read_cursor(order, attrs["cursor"])
        return attrs | {"order": order}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[_Row]):
    """The rows of a page, and the cursor of the next page, or None on the last."""

    rows: list[_Row]
    cursor: str | None


def page(
    rows: QuerySet[_Row],
    query: Mapping[str, Any],
    *,
    any_of: Sequence[Q] = (),
    among: QuerySet[_Row] | None = None,
) -> Page[_Row]:
    """Return the page for a checked query.

    A row must meet one of the conditions ``any_of``. Each has a query and an index of its own:
    joined by OR, PostgreSQL would sort every row. ``among`` are candidates that an index returns
    in order without reading rows; nearly all of them should match.
    """
    order: Order = query["order"]
    limit: int = query["limit"]
    if cursor := query.get("cursor"):
        rows = rows.filter(order.behind(cursor))
    found = None if among is None else _nearest(rows, among, query, any_of=any_of)
    if found is None:
        found = list(_first(rows, order, any_of=any_of, count=limit + 1))
    following = order.cursor(found[limit - 1]) if len(found) > limit else None
    return Page(rows=found[:limit], cursor=following)


def _nearest(
    rows: QuerySet[_Row], among: QuerySet[_Row], query: Mapping[str, Any], *, any_of: Sequence[Q]
) -> list[_Row] | None:
    """Return the rows from the nearest candidates only; None if too few of those match."""
    order, wanted = query["order"], query["limit"] + 1
    if cursor := query.get("cursor"):
        among = among.filter(order.behind(cursor))
    nearest = among.order_by(*order.sorting()).values_list("pk", flat=True)
    keys = list(nearest[: _TIMES_WANTED * wanted])
    found = list(_first(rows.filter(pk__in=keys), order, any_of=any_of, count=wanted))
    is_all = len(keys) < _TIMES_WANTED * wanted
    return found if is_all or len(found) == wanted else None


def both(some: Sequence[Q], others: Sequence[Q]) -> list[Q]:
    """Combine two lists of alternative conditions into one: a row must meet one of each."""
    if not some or not others:
        return [*some, *others]
    return [first & second for first in some for second in others]


def _first(
    rows: QuerySet[_Row], order: Order, *, any_of: Sequence[Q], count: int
) -> QuerySet[_Row]:
    if any_of:
        first, *others = [
            rows.filter(each).order_by(*order.sorting()).values("pk")[:count] for each in any_of
        ]
        keys = first.union(*others) if others else first
        rows = rows.model._default_manager.filter(pk__in=keys)
    return rows.order_by(*order.sorting())[:count]


def body(
    request: Request,
    query: Mapping[str, Any],
    results: Iterable[Mapping[str, Any]],
    *,
    cursor: str | None,
) -> dict[str, Any]:
    """Return the body of a page: the resources, with the requested fields, and the next URL."""
    wanted: frozenset[str] | None = query.get("fields")
    return {
        "results": [
            {name: value for name, value in each.items() if wanted is None or name in wanted}
            for each in results
        ],
        "next": address(request, cursor) if cursor else None,
    }


def address(request: Request, cursor: str) -> str:
    """Return the URL of the page at a cursor."""
    parameters = request.query_params.copy()
    parameters["cursor"] = cursor
    return f"{request.path}?{parameters.urlencode()}"


def _refuse(errors: Iterable[FieldError]) -> None:
    found = [error._replace(place=Place.PARAMETER) for error in errors]
    if found:
        raise Invalid(errors=found)


def _unreadable(
    given: Iterable[tuple[str, list[str]]], *, known: Iterable[str]
) -> Iterable[FieldError]:
    for name, values in given:
        if name not in known:
            yield FieldError(name, "unknown", "is not a known parameter")
        elif len(values) > 1:
            yield FieldError(name, "repeated", "is given more than once")
        elif "\x00" in values[0]:
            yield FieldError(name, "invalid", "contains a NUL character")


def _read_cursor(order: Order, text: str) -> Values:
    try:
        return order.read(text)
    except ValueError:
        message = "is not valid for this order: follow “next” unchanged"
        raise serializers.ValidationError({"cursor": message}) from None
