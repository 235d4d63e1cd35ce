"""Who may open an auditor's page, and the frame around it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from audit.actors.actors import Actor
from audit.entry.requests import actor_of_request
from audit.pages.recording import NotRecorded, record_view

PERMISSION = "audit.view_commandrecord"
EXPORT_PERMISSION = "audit.export_commandrecord"

_Parameters = ParamSpec("_Parameters")
_Page: TypeAlias = Callable[Concatenate[HttpRequest, Actor, _Parameters], HttpResponseBase]
_View: TypeAlias = Callable[Concatenate[HttpRequest, _Parameters], HttpResponseBase]


def for_auditors(page: _Page[_Parameters]) -> _View[_Parameters]:
    """Let in who may read the log; tell others why they may not."""
    return require_safe(_guarded(page, permission=PERMISSION))


def for_exporters(page: _Page[_Parameters]) -> _View[_Parameters]:
    """Let in who may take parts of the log away, also to do so."""
    methods = require_http_methods(["GET", "HEAD", "POST"])
    guarded: _View[_Parameters] = methods(_guarded(page, permission=EXPORT_PERMISSION))
    return guarded


def rendered(
    request: HttpRequest, template: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    """Render a page inside the admin's frame."""
    frame = admin.site.each_context(request)
    return render(request, template, frame | context, status=status)


def not_shown(request: HttpRequest) -> HttpResponse:
    """Answer that a page could not be recorded, and is not shown therefore."""
    return rendered(request, "audit/not_recorded.html", status=503, title="Not shown")


def _guarded(page: _Page[_Parameters], *, permission: str) -> _View[_Parameters]:
    @wraps(page)
    def view(
        request: HttpRequest, /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> HttpResponseBase:
        actor = actor_of_request(request)
        for needed in (PERMISSION, permission):
            _check(actor, needed)
        try:
            record_view(request, actor)
        except NotRecorded:
            return not_shown(request)
        return page(request, actor, *args, **kwargs)

    guarded: _View[_Parameters] = never_cache(login_required(view))
    return guarded


def _check(actor: Actor, permission: str) -> None:
    if not actor.may(permission):
        what = "read" if permission == PERMISSION else "export"
        raise PermissionDenied(
            f"You are signed in as {actor.label}, without permission to {what} the audit log. "
            f"Ask an administrator for the permission {permission}."
        )
