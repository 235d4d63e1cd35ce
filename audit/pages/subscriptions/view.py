"""The page of subscriptions to events: their figures, what they have set aside, and its buttons."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from audit.actors.actors import Actor
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.log import feed
from audit.messages.classes import Subject
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Postponed
from audit.models.subscriptions import Setback
from audit.pages.access import check_parameters, for_managers, rendered
from audit.pages.labels import span
from audit.reactions import commands, figures
from audit.reactions.figures import Figures
from audit.subjects.names import labels

_WHOLE = {"pause": commands.PauseSubscription, "resume": commands.ResumeSubscription}
_OF_EVENT = {"requeue": commands.RequeueSetback, "skip": commands.SkipSetback}


@for_managers
def subscriptions(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Show the figures; a POST sends the command of a button."""
    check_parameters(request, ())
    if actor.is_confined:
        raise Http404("Only readers of the whole log see this page.")
    if request.method == "POST":
        _send(request)
        return redirect("countersign:subscriptions")
    return _page(request, actor)


def _page(request: HttpRequest, actor: Actor) -> HttpResponse:
    first = figures.first_setbacks()
    names = labels((figures.subject_of(setback) for setback, _ in first), actor=actor)
    return rendered(
        request,
        "audit/subscriptions.html",
        section="subscriptions",
        title="Subscriptions",
        rows=[_row(each) for each in figures.figures()],
        never_run=figures.never_run(),
        setbacks=[_line(*each, names=names) for each in first],
        most=figures.MOST_LISTED,
        writers=[
            {**each._asdict(), "age": span(each.age) if each.age else ""} for each in feed.writers()
        ],
        may_manage=actor.may(commands.MANAGE),
    )


def _row(found: Figures) -> dict[str, Any]:
    return {
        "name": found.name,
        "state": found.state,
        "is_declared": found.is_declared,
        "partitions": found.partitions,
        "behind": f"{'at least ' if found.is_cut else ''}{found.behind:,}",
        "lag": span(found.lag) if found.since else "",
        "rate": f"{found.rate:,.1f}",
        "handled": f"{found.handled:,}",
        "failed": f"{found.failed:,}",
        "retrying": f"{found.retrying:,}",
        "waiting": f"{found.waiting:,}",
        "parked": found.parked,
        "moved_at": found.moved_at,
    }


def _line(setback: Setback, waiting: int, *, names: dict[Subject, str]) -> dict[str, Any]:
    subject = figures.subject_of(setback)
    return {"setback": setback, "subject": subject, "label": names[subject], "waiting": waiting}


def _send(request: HttpRequest) -> None:
    context = context_of(
        request, channel="audit pages", reason=request.POST.get("reason", "").strip()
    )
    try:
        command = _command(request.POST)
        outcome = dispatch(command, context=context)
    except CommandError as error:
        messages.error(request, error.message)
        return
    sentence = command.describe(command.subscription)
    if isinstance(outcome, Postponed):
        messages.warning(request, f"{sentence}: waiting for approval.")
    else:
        messages.success(request, f"{sentence}: done.")


def _command(form: Any) -> Any:
    """Return the command of a button.

    :raises BadRequest: if the form has no such button.
    """
    button, name = form.get("button", ""), form.get("subscription", "")
    if button in _WHOLE:
        return _WHOLE[button](subscription=name)
    number = form.get("number", "")
    is_number = number.isascii() and number.isdigit()
    if is_number and button == "repartition":
        return commands.RepartitionSubscription(subscription=name, partitions=int(number[:9]))
    if not is_number or button not in _OF_EVENT:
        raise BadRequest("The form has an unknown button or no number.")
    return _OF_EVENT[button](
        subscription=name,
        about_type=form.get("about_type", ""),
        about_id=form.get("about_id", ""),
        number=int(number[:18]),
    )
