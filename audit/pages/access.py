"""Access to the auditors' pages, and the frame around them."""

import re
from collections.abc import Callable, Collection
from functools import cache, wraps
from typing import Any, Concatenate, ParamSpec, TypeAlias
from urllib.parse import urlencode

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from audit.actors.actors import Actor
from audit.bus.dispatch import dispatch
from audit.entry.requests import actor_of_request, context_of
from audit.installation.settings import countersign
from audit.log.commands import ViewPage
from audit.log.visibility import VIEW_LOG
from audit.messages.characters import actor_name
from audit.messages.exceptions import CommandError
from audit.messages.text import clean_text
from audit.pages.local_times import reader_zone
from audit.subjects.tenants import limits_of, tenant_word

EXPORT_PERMISSION = "audit.export_commandrecord"
_LONGEST = 2_000
# The attribute of a request with the actor that reads the page.
_READER = "log_reader"
_VERBS = {VIEW_LOG: "read", EXPORT_PERMISSION: "export"}

_Parameters = ParamSpec("_Parameters")
_Page: TypeAlias = Callable[Concatenate[HttpRequest, Actor, _Parameters], HttpResponseBase]
_View: TypeAlias = Callable[Concatenate[HttpRequest, _Parameters], HttpResponseBase]


def for_auditors(page: _Page[_Parameters]) -> _View[_Parameters]:
    """Return the view of a page for users who may read the log, called with their actor."""
    return require_safe(_guarded(page, VIEW_LOG))


def for_exporters(page: _Page[_Parameters]) -> _View[_Parameters]:
    """Return the view of a page for users who may export the log, also for POST."""
    guarded = _guarded(page, VIEW_LOG, EXPORT_PERMISSION)
    return require_http_methods(["GET", "HEAD", "POST"])(guarded)


def for_managers(page: _Page[_Parameters]) -> _View[_Parameters]:
    """Return the view of a page with buttons, for users who may read the log, also for POST.

    Each command checks the permission that it requires.
    """
    return require_http_methods(["GET", "HEAD", "POST"])(_guarded(page, VIEW_LOG))


def check_parameters(request: HttpRequest, known: Collection[str]) -> None:
    """Check that a page knows each parameter in its URL: an unknown one would select nothing.

    :raises BadRequest: if it does not.
    """
    if unknown := sorted(set(request.GET) - set(known)):
        raise BadRequest(f"Unknown parameters: {', '.join(unknown)}")


def rendered(
    request: HttpRequest, template: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    """Render a page inside the admin's frame, with what its reader cannot see."""
    reader: Actor | None = vars(request).get(_READER)
    limits = limits_of(reader) if reader else ""
    frame = admin.site.each_context(request) | {
        "limits": limits,
        "tenant_word": tenant_word(),
        "time_zone": reader_zone(request),
    }
    return render(request, template, frame | context, status=status)


def masking_redirect(request: HttpRequest) -> HttpResponse | None:
    """Return a redirect to the page without secrets in its query; None if there are none.

    The page would repeat a secret that was pasted into its search field. An app declares what its
    secrets look like by ``masked_pattern`` in its AppConfig: a regular expression, whose only group
    is the part that may be shown.
    """
    given = [(name, value) for name, values in request.GET.lists() for value in values]
    shown = [(masked(name), masked(value)) for name, value in given]
    return None if shown == given else HttpResponseRedirect(f"{request.path}?{urlencode(shown)}")


def masked(text: str) -> str:
    """Return text with only the beginning of each secret, by the ``masked_pattern`` of apps."""
    for pattern in _masked_patterns():
        text = pattern.sub(r"\1", text)
    return text


def record_or_refuse(request: HttpRequest) -> HttpResponse | None:
    """Record that a page of the log is opened, if the settings say so; return a refusal on failure.

    The response can also be a redirect, to leave out a secret.

    It comes before anything of the page is read. The query is recorded as it was sent, without
    secrets: what an auditor searched for is the purpose of the record, and the log contains the
    same names and ids.
    """
    if moved := masking_redirect(request):
        return moved
    if not countersign().record_page_views:
        return None
    command = ViewPage(
        method=request.method or "",
        path=clean_text(masked(request.path), longest=_LONGEST),
        query=clean_text(request.META.get("QUERY_STRING", ""), longest=_LONGEST),
    )
    try:
        dispatch(command, context=context_of(request, channel="audit pages"))
    except CommandError:
        return rendered(request, "audit/not_recorded.html", status=503, title="Not shown")
    return None


@cache
def _masked_patterns() -> list[re.Pattern[str]]:
    declared = (getattr(app, "masked_pattern", "") for app in apps.get_app_configs())
    return [re.compile(pattern) for pattern in declared if pattern]


def _guarded(page: _Page[_Parameters], *permissions: str) -> _View[_Parameters]:
    @wraps(page)
    def view(
        request: HttpRequest, /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> HttpResponseBase:
        actor = actor_of_request(request)
        for permission in permissions:
            _check(actor, permission)
        vars(request)[_READER] = actor
        return record_or_refuse(request) or page(request, actor, *args, **kwargs)

    return never_cache(login_required(view))


def _check(actor: Actor, permission: str) -> None:
    if not actor.may(permission):
        raise PermissionDenied(
            f"You are signed in as {actor_name(actor.label)}, without permission to "
            f"{_VERBS[permission]} the audit log. "
            f"Ask an administrator for the permission {permission}."
        )
