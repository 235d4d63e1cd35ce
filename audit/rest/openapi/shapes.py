"""Shapes of answers, from TypedDicts to schema components of OpenAPI 3.1.

``Annotated[str, "Whose it is."]`` describes a field, and ``Annotated[str, one_of(…)]`` says more
of its values.
"""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NotRequired,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from uuid import UUID

from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from audit.rest.references import Keyword

Schema: TypeAlias = dict[str, Any]

_SCALARS: dict[Any, Schema] = {
    Any: {},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
}


class Shapes:
    """Turns type hints into schemas; each TypedDict becomes a component of its name, once."""

    def __init__(self, registry: ComponentRegistry) -> None:
        self._registry = registry

    def schema(self, hint: Any) -> Schema:
        """Describe the values of a type.

        :raises TypeError: if it is none that JSON has a shape for.
        """
        if build := self._builders.get(get_origin(hint)):
            return build(self, get_args(hint))
        if is_typeddict(hint):
            return self._component(hint.__name__, hint, required=hint.__required_keys__)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return _one_of([each.value for each in hint])
        if hint not in _SCALARS:
            message = f"{hint!r} has no shape in JSON that is known here"
            raise TypeError(message)
        return dict(_SCALARS[hint])

    def sparse(self, shape: Any) -> Schema:
        """Describe a resource of which the caller has chosen the fields."""
        return self._component(f"Sparse{shape.__name__}", shape, required=())

    def _component(self, name: str, shape: Any, *, required: Any) -> Schema:
        component = ResolvedComponent(  # type: ignore[no-untyped-call]
            name, ResolvedComponent.SCHEMA, object=shape
        )
        if component not in self._registry:
            # Known before its fields are looked at, for one of them may be of the same shape.
            self._registry.register(component)
            component.schema = self._object(shape, required)
        return dict(component.ref)

    def _object(self, shape: Any, required: Any) -> Schema:
        hints = get_type_hints(shape, include_extras=True)
        described: Schema = {"description": _first_paragraph(shape)} if shape.__doc__ else {}
        return described | {
            "type": "object",
            "properties": {name: self.schema(hint) for name, hint in hints.items()},
            "required": [name for name in hints if name in required],
            "additionalProperties": False,
        }

    def _annotated(self, arguments: tuple[Any, ...]) -> Schema:
        inner, *notes = arguments
        return self.schema(inner) | dict(map(_keyword, notes))

    def _union(self, arguments: tuple[Any, ...]) -> Schema:
        (*others,) = (self.schema(each) for each in arguments if each is not NoneType)
        if NoneType not in arguments:
            return {"anyOf": others}
        (only,) = others
        if "$ref" in only:
            return {"oneOf": [only, {"type": "null"}]}
        nullable: Schema = only | ({"type": [only["type"], "null"]} if "type" in only else {})
        return nullable | ({"enum": [*only["enum"], None]} if "enum" in only else {})

    def _literal(self, arguments: tuple[Any, ...]) -> Schema:
        return _one_of(list(arguments))

    def _list(self, arguments: tuple[Any, ...]) -> Schema:
        return {"type": "array", "items": self.schema(arguments[0])}

    def _dict(self, arguments: tuple[Any, ...]) -> Schema:
        return {"type": "object", "additionalProperties": self.schema(arguments[1]) or True}

    def _not_required(self, arguments: tuple[Any, ...]) -> Schema:
        return self.schema(arguments[0])

    _builders: ClassVar[dict[Any, Callable[["Shapes", tuple[Any, ...]], Schema]]] = {
        Annotated: _annotated,
        NotRequired: _not_required,
        Union: _union,
        UnionType: _union,
        Literal: _literal,
        list: _list,
        dict: _dict,
    }


def _keyword(note: Any) -> Keyword:
    return note if isinstance(note, Keyword) else Keyword("description", str(note))


def _one_of(values: list[Any]) -> Schema:
    (kind,) = {type(value) for value in values}
    return dict(_SCALARS[kind]) | {"enum": values}


def _first_paragraph(shape: Any) -> str:
    return " ".join((shape.__doc__ or "").split("\n\n")[0].split())
