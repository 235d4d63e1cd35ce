"""Components of the OpenAPI document that several operations share."""

from typing import Any

from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent


def shared(
    registry: ComponentRegistry, kind: str, name: str, content: dict[str, Any]
) -> dict[str, Any]:
    """Return a reference to the component of this name, or the content if that differs from it."""
    component = ResolvedComponent(name, kind, content, object=dict)  # type: ignore[no-untyped-call]
    registry.register_on_missing(component)
    return dict(component.ref) if registry[component].schema == content else content
