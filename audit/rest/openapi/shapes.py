"""Shapes of responses: schema components of OpenAPI 3.1, from TypedDicts.

``Annotated[str, "The owner."]`` describes a field, and ``Annotated[str, one_of(…)]`` restricts its
values.
"""

from enum import Enum
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from drf_spectacular.plumbing import (
    ComponentRegistry,
    ResolvedComponent,
    build_basic_type,
    is_basic_type,
)

from audit.rest.references import Keyword

Schema: TypeAlias = dict[str, Any]


class Shapes:
    """A converter of type hints to schemas; a TypedDict becomes a component of its name, once."""

    def __init__(self, registry: ComponentRegistry) -> None:
        self._registry = registry

    def schema(self, hint: Any) -> Schema:
        """Return the schema of a type.

        :raises TypeError: if the type is not supported.
        """
        if origin := get_origin(hint):
            return self._generic(origin, get_args(hint), hint)
        if is_typeddict(hint):
            return self._component(hint.__name__, hint, required=hint.__required_keys__)
        if isinstance(hint, type) and issubclass(hint, Enum):
            return _one_of([each.value for each in hint])
        if hint is not Any and not is_basic_type(hint):
            raise _unsupported(hint)
        return {} if hint is Any else build_basic_type(hint) or {}  # type: ignore[arg-type]

    def sparse(self, shape: Any) -> Schema:
        """Return the schema of a resource with the fields that the caller chose."""
        return self._component(f"Sparse{shape.__name__}", shape, required=())

    def _generic(self, origin: Any, arguments: tuple[Any, ...], hint: Any) -> Schema:
        inner, *others = arguments
        if origin is Annotated:
            return self.schema(inner) | dict(map(_keyword, others))
        if origin is NotRequired:
            return self.schema(inner)
        if origin in (Union, UnionType):
            return self._union(arguments)
        if origin is Literal:
            return _one_of([inner, *others])
        if origin is list:
            return {"type": "array", "items": self.schema(inner)}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.schema(others[0]) or True}
        raise _unsupported(hint)

    def _component(self, name: str, shape: Any, *, required: Any) -> Schema:
        component = ResolvedComponent(name, ResolvedComponent.SCHEMA, object=shape)
        if component not in self._registry:
            # Registered before its fields, because a field may have the same shape.
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
        }

    def _union(self, arguments: tuple[Any, ...]) -> Schema:
        (*others,) = (self.schema(each) for each in arguments if each is not NoneType)
        if NoneType not in arguments:
            return {"anyOf": others}
        (only,) = others
        if "$ref" in only:
            return {"oneOf": [only, {"type": "null"}]}
        nullable: Schema = only | ({"type": [only["type"], "null"]} if "type" in only else {})
        return nullable | ({"enum": [*only["enum"], None]} if "enum" in only else {})


def _unsupported(hint: Any) -> TypeError:
    return TypeError(f"{hint!r} has no shape in JSON that is known here")


def _keyword(note: Any) -> Keyword:
    return note if isinstance(note, Keyword) else Keyword("description", str(note))


def _one_of(values: list[Any]) -> Schema:
    (kind,) = {type(value) for value in values}
    return (build_basic_type(kind) or {}) | {"enum": values}


def _first_paragraph(shape: Any) -> str:
    return " ".join((shape.__doc__ or "").split("\n\n")[0].split())
