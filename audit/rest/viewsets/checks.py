"""System checks of URLs: our routes exist, and no view of ours runs in a transaction."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  # Django's
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from audit.rest.viewsets.actors import ActorViewSet


@register()
def check_routes(**_: Any) -> list[CheckMessage]:
    """Check that the project includes our routes."""
    try:
        reverse("countersign:search")
    except NoReverseMatch:
        return [
            Error(
                "The routes of the namespace 'countersign' are missing.",
                hint='Add path("countersign/", include("approvals.urls")) to the urlpatterns.',
                id="countersign.E002",
            )
        ]
    return []


@register()
def check_admin(**_: Any) -> list[CheckMessage]:
    """Warn of a project without Django's admin, whose frame and sign-in the pages use."""
    try:
        reverse("admin:index")
    except NoReverseMatch:
        return [
            Warning(
                "The pages of the log and of approvals need Django's admin, which has no URL here.",
                hint="Add django.contrib.admin to INSTALLED_APPS and admin.site.urls to the "
                "urlpatterns, or silence this check if you use the API only.",
                id="countersign.W007",
            )
        ]
    return []


@register()
def check_transactions(**_: Any) -> list[CheckMessage]:
    """Check that no view of a command runs in a transaction: a dispatch opens its own."""
    atomic = [name for name, each in settings.DATABASES.items() if each.get("ATOMIC_REQUESTS")]
    return [
        Error(
            f"ATOMIC_REQUESTS is on for {alias!r}, and holds for /{route}: the record of a refused "
            "command would be lost.",
            hint="Put django.db.transaction.non_atomic_requests around the view.",
            id="audit.E001",
        )
        for alias in atomic
        for route, view in _views(get_resolver())
        if alias not in getattr(view, "_non_atomic_requests", ()) and _dispatches(view)
    ]


def _views(resolver: URLResolver, route: str = "") -> Iterator[tuple[str, Any]]:
    for each in resolver.url_patterns:
        path = f"{route}{each.pattern}"
        if isinstance(each, URLPattern):
            yield path, each.callback
        else:
            yield from _views(each, path)


def _dispatches(view: Any) -> bool:
    """Return True for a view of ours, or a viewset or an admin class built on ours."""
    owner: Any = getattr(view, "cls", None) or type(getattr(view, "model_admin", None))
    is_of_admin = issubclass(owner, ModelAdmin) and _is_ours(owner.__mro__)
    return issubclass(owner, ActorViewSet) or is_of_admin or _is_ours([view])


def _is_ours(objects: Any) -> bool:
    names = (getattr(each, "__module__", "").split(".")[0] for each in objects)
    return any(name in ("audit", "approvals") for name in names)
