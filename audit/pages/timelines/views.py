"""What happened to a subject, in a case and in a command."""

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.messages.classes import Subject
from audit.pages.access import for_auditors, rendered
from audit.pages.timelines import cases, commands, subjects
from audit.pages.timelines.forms import StoryForm


@for_auditors
def subject(request: HttpRequest, actor: Actor, subject_type: str, subject_id: str) -> HttpResponse:
    """Show the history of one subject, in plain words, and what it was at a moment."""
    if "\x00" in subject_type + subject_id:
        raise Http404
    form = StoryForm(request.GET)
    form.is_valid()
    timeline = subjects.timeline(
        Subject(subject_type, subject_id),
        actor=actor,
        before=form.cleaned_data.get("before"),
        at=form.cleaned_data.get("at"),
    )
    if timeline is None:
        raise Http404(f"There is no {subject_type} {subject_id}, or you do not have access to it.")
    return rendered(
        request,
        "audit/subject.html",
        title=timeline.label,
        page=timeline,
        form=form,
        is_newest=not form.cleaned_data.get("before"),
    )


@for_auditors
def case(request: HttpRequest, actor: Actor, correlation_id: UUID) -> HttpResponse:
    """Show everything that came of one command."""
    found = cases.case(correlation_id, actor=actor)
    if found is None:
        raise Http404(f"There is no case {correlation_id}, or you do not have access to it.")
    title = f"Case: {found.first.command_words}"
    return rendered(request, "audit/case.html", title=title, page=found, most=cases.MOST_COMMANDS)


@for_auditors
def command(request: HttpRequest, actor: Actor, command_id: UUID) -> HttpResponse:
    """Show one command with all its attempts and events."""
    found = commands.command(command_id, actor=actor)
    if found is None:
        raise Http404(f"There is no command {command_id}, or you do not have access to it.")
    return rendered(request, "audit/command.html", title=found.sentence, page=found)
