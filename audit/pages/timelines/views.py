"""The pages of a subject, a case, a command and an actor."""

from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.messages.classes import Subject
from audit.models.records import CommandRecord
from audit.pages.access import check_parameters, for_auditors, rendered
from audit.pages.evidence.proofs import attempts
from audit.pages.labels import sentence
from audit.pages.lines import full_lines
from audit.pages.timelines import actors, cases, subjects
from audit.pages.times import TimeField

_FURTHEST = 2**63 - 1


class PageForm(forms.Form):
    """The parameters of the pages: where a page begins, the time of a state, and a credential."""

    before = forms.IntegerField(
        required=False, min_value=1, max_value=_FURTHEST, widget=forms.HiddenInput
    )
    at = TimeField(label="State at (UTC)", required=False)
    acted_as = forms.CharField(required=False, max_length=500)


@for_auditors
def subject(request: HttpRequest, actor: Actor, subject_type: str, subject_id: str) -> HttpResponse:
    """Show the timeline of a subject, and its state at a point in time."""
    check_parameters(request, ("at", "before"))
    _refuse_null(subject_type + subject_id)
    form = PageForm(request.GET)
    form.is_valid()
    before, at = form.cleaned_data.get("before"), form.cleaned_data.get("at")
    about = Subject(subject_type, subject_id)
    page = subjects.timeline(about, actor=actor, before=before, at=at)
    if page is None:
        raise Http404(f"There is no {subject_type} {subject_id}, or you do not have access to it.")
    return rendered(
        request,
        "audit/subject.html",
        title=page["label"],
        page=page,
        form=form,
        is_newest=not before,
    )


@for_auditors
def case(request: HttpRequest, actor: Actor, correlation_id: UUID) -> HttpResponse:
    """Show every command of a case, with its events and changes."""
    check_parameters(request, ())
    page = cases.case(correlation_id, actor=actor)
    if page is None:
        raise Http404(f"There is no case {correlation_id}, or you do not have access to it.")
    return rendered(request, "audit/case.html", title=f"Case: {page['command']}", page=page)


@for_auditors
def command(request: HttpRequest, actor: Actor, command_id: UUID) -> HttpResponse:
    """Show a command with all its attempts and events."""
    check_parameters(request, ())
    records = actor.confine(CommandRecord.objects.filter(command_id=command_id))
    lines = full_lines(records.order_by("attempt"), actor=actor)
    if not lines:
        raise Http404(f"There is no command {command_id}, or you do not have access to it.")
    first = lines[0]
    title = sentence(first.record, label=first.label) or first.command_words
    shown = attempts(lines, reader=actor)
    return rendered(request, "audit/command.html", title=title, first=first.record, attempts=shown)


@for_auditors
def actor(request: HttpRequest, reader: Actor, kind: str, actor_id: str) -> HttpResponse:
    """Show the commands of an actor, newest first, and the credentials used for them."""
    check_parameters(request, ("acted_as", "before"))
    _refuse_null(kind + actor_id)
    form = PageForm(request.GET)
    form.is_valid()
    before, acted_as = form.cleaned_data.get("before"), form.cleaned_data.get("acted_as", "")
    page = actors.actor_page(kind, actor_id, reader=reader, acted_as=acted_as, before=before)
    if page is None:
        raise Http404(f"There is no activity of {kind} {actor_id} that you may see.")
    kept = {"acted_as": acted_as} if acted_as else {}
    return rendered(
        request,
        "audit/actor.html",
        title=page["label"],
        page=page,
        older=urlencode(kept | {"before": page["older"]}) if page["older"] else "",
        newest=urlencode(kept) if before else "",
        is_first=not before,
    )


def _refuse_null(text: str) -> None:
    # PostgreSQL accepts no text with this character.
    if "\x00" in text:
        raise Http404
