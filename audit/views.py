"""The pages that auditors read."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit import pages
from audit.actors import Actor
from audit.filters import CommandFilter
from audit.messages import Subject
from audit.requests import actor_of_request

PERMISSION = "audit.view_commandrecord"

_Parameters = ParamSpec("_Parameters")


def _for_auditors(
    page: Callable[Concatenate[HttpRequest, Actor, _Parameters], HttpResponse],
) -> Callable[Concatenate[HttpRequest, _Parameters], HttpResponse]:
    """Let in who may read the log; tell others why they may not."""

    @wraps(page)
    def view(
        request: HttpRequest, /, *args: _Parameters.args, **kwargs: _Parameters.kwargs
    ) -> HttpResponse:
        actor = actor_of_request(request)
        if not actor.may(PERMISSION):
            raise PermissionDenied(
                f"You are signed in as {actor.label}, who may not read the audit log. "
                f"An administrator can give you the permission {PERMISSION}."
            )
        return page(request, actor, *args, **kwargs)

    return require_safe(never_cache(login_required(view)))


@_for_auditors
def recent(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the newest attempts at commands."""
    form = CommandFilter(request.GET)
    form.is_valid()
    page = pages.recent(actor, matching=form.matching(), before=form.cleaned_data.get("before"))
    narrowed = {name: form.data[name] for name in form.changed_data if name != "before"}
    return _page(
        request,
        "audit/recent.html",
        title="Audit log",
        page=page,
        form=form,
        older=urlencode(narrowed | {"before": page.older}) if page.older else "",
        newest=urlencode(narrowed),
        is_first=not form.cleaned_data.get("before"),
    )


@_for_auditors
def subject(request: HttpRequest, actor: Actor, subject_type: str, subject_id: str) -> HttpResponse:
    """Show the history of one subject, in plain words."""
    if "\x00" in subject_type + subject_id:
        raise Http404
    form = CommandFilter(request.GET)
    form.is_valid()
    story = pages.story(
        Subject(subject_type, subject_id), actor=actor, before=form.cleaned_data.get("before")
    )
    if story is None:
        raise Http404(f"There is no {subject_type} {subject_id}, or it is not yours to see.")
    return _page(request, "audit/subject.html", title=story.label, page=story)


@_for_auditors
def affair(request: HttpRequest, actor: Actor, correlation_id: UUID) -> HttpResponse:
    """Show everything that came of one command."""
    found = pages.affair(correlation_id, actor=actor)
    if found is None:
        raise Http404(f"There is no affair {correlation_id}, or it is not yours to see.")
    return _page(request, "audit/affair.html", title="Affair", page=found)


@_for_auditors
def command(request: HttpRequest, actor: Actor, command_id: UUID) -> HttpResponse:
    """Show one command with all its attempts and events."""
    found = pages.command(command_id, actor=actor)
    if found is None:
        raise Http404(f"There is no command {command_id}, or it is not yours to see.")
    return _page(request, "audit/command.html", title=found.sentence, page=found)


def _page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    return render(request, template, admin.site.each_context(request) | context)
