"""The page of process instances: their state, their timers, and links to what they have sent."""

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.http import Http404, HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.log.orders import Values
from audit.models.processes import ProcessInstance, ProcessTimer
from audit.pages.access import check_parameters, for_auditors, masked, rendered
from audit.pages.safe_text import one_line
from audit.reactions.processes import listing
from audit.reactions.processes.declarations import ACTOR_KIND, find, processes

LINES = 50
MOST_TIMERS = 20
_LONGEST_TEXT, _LONGEST_STATE = 200, 1_000


class PlaceField(forms.CharField):
    """The place where a page begins; an invalid one is ignored."""

    widget = forms.HiddenInput

    def clean(self, value: Any) -> Values | None:
        try:
            return listing.ORDER.read(value) if value else None
        except ValueError:
            return None


class InstanceFilter(forms.Form):
    """Which instances are shown: those of a process, one key, or those with failed timers."""

    process = forms.ChoiceField(required=False)
    key = forms.CharField(required=False, max_length=_LONGEST_TEXT)
    failed = forms.BooleanField(required=False, label="With failed timers only")
    after = PlaceField(required=False)

    def __init__(self, data: Any) -> None:
        super().__init__(data, label_suffix="")
        names = [each.name for each in processes()]
        stored = self.data.get("process", "")
        former = [stored] if stored.isprintable() and stored not in ("", *names) else []
        field: Any = self.fields["process"]
        field.choices = [("", "any"), *((each, each) for each in [*names, *former])]


@for_auditors
def instances(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the instances that match, with the next and the failed timers of all processes."""
    check_parameters(request, InstanceFilter.base_fields)
    if actor.is_confined:
        raise Http404("Only readers of the whole log see this page.")
    form = InstanceFilter(request.GET)
    page = _page(form) if form.is_valid() else listing.Page([], "")
    timers = _by_instance(listing.timers_of(page.instances))
    upcoming, failing = listing.upcoming(limit=MOST_TIMERS), listing.failing(limit=MOST_TIMERS)
    shown = [*upcoming, *failing, *(each for group in timers.values() for each in group)]
    cases = listing.cases_of(shown)
    return rendered(
        request,
        "audit/processes.html",
        section="processes",
        title="Processes",
        form=form,
        lines=[_line(each, timers[each.pk], cases=cases) for each in page.instances],
        upcoming=[_timer(each, cases=cases) for each in upcoming],
        failing=[_timer(each, cases=cases) for each in failing],
        most=MOST_TIMERS,
        is_first=not form.data.get("after"),
        first=_query(form),
        next=_query(form, after=page.next) if page.next else "",
    )


def _page(form: InstanceFilter) -> listing.Page:
    given = form.cleaned_data
    return listing.instances(
        process=given["process"],
        key=given["key"],
        has_failures=given["failed"],
        after=given["after"],
        size=LINES,
    )


def _query(form: InstanceFilter, **place: str) -> str:
    kept = {name: form.data[name] for name in form.data if name != "after"}
    return urlencode({**kept, **place})


def _by_instance(timers: Iterable[ProcessTimer]) -> dict[int, list[ProcessTimer]]:
    found: defaultdict[int, list[ProcessTimer]] = defaultdict(list)
    for each in timers:
        found[each.instance_id].append(each)
    return found


def _line(
    instance: ProcessInstance, timers: list[ProcessTimer], *, cases: dict[UUID, UUID]
) -> dict[str, Any]:
    return {
        "instance": instance,
        "is_declared": find(instance.process) is not None,
        "actor_kind": ACTOR_KIND,
        "state": [(name, _shown(value)) for name, value in instance.state.items()],
        "timers": [_timer(each, cases=cases) for each in timers],
    }


def _timer(timer: ProcessTimer, *, cases: dict[UUID, UUID]) -> dict[str, Any]:
    case = cases.get(timer.command_id) if timer.command_id else None
    return {"timer": timer, "case": case}


def _shown(value: Any) -> str:
    """Return a value of the state, without secrets that it should not have."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return one_line(masked(text), longest=_LONGEST_STATE)
