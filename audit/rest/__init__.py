"""The public API for the REST code of an app: viewsets, lists, references and errors.

Each name is imported when it is first used. Django REST framework imports ``audit.rest.parsers``
and other modules of this package, by settings, while it loads itself; the viewsets cannot be
imported before that ends. ``__init__.pyi`` has the same names for type checkers.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "audit.rest.bodies": ("refuse_misfits",),
    "audit.rest.exception_handlers": ("plain",),
    "audit.rest.listing": ("Key", "ListQuery", "Order", "WholeNumberField", "body", "page"),
    "audit.rest.openapi.operations": ("documented", "refuses_with"),
    "audit.rest.parameters": ("MessageTypeField", "SubjectField"),
    "audit.rest.parsers": ("JSONParser",),
    "audit.rest.references": (
        "ActorReference",
        "Address",
        "CommandReference",
        "Reference",
        "Uuid",
        "address",
        "one_of",
        "reference",
    ),
    "audit.rest.resources": ("PendingApproval", "pending_approvals", "present_pending"),
    "audit.rest.viewsets": (
        "ActorViewSet",
        "CommandInput",
        "CommandViewSet",
        "ExceptionHandler",
        "status_url",
    ),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_MODULE_OF[name]), name)
