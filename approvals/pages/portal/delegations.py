"""The page of a person's delegations: who votes in whose place, and a form for a new one."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from approvals.delegations import listing
from approvals.delegations.commands import Delegate, EndDelegation
from approvals.pages.choices import ChoiceField, MultipleChoiceField
from approvals.pages.feedback import send
from audit.entry.requests import LONGEST_REASON, actor_of_request
from audit.installation import users
from audit.messages.classes import Command
from audit.pages.access import rendered
from audit.pages.times import EndInput, TimeField

_PAGE = "countersign:own-delegations"
_MOST = 200


class DelegationForm(forms.Form):
    """A new delegation of the person who is signed in."""

    delegate = ChoiceField(users.manager().none(), label="Person", empty_label="Choose a person")
    groups = MultipleChoiceField(
        Group.objects.none(), label="For", widget=forms.CheckboxSelectMultiple
    )
    begins_at = TimeField(
        label="Begins (UTC)", required=False, help_text="Leave it empty to begin at once."
    )
    ends_at = TimeField(label="Ends (UTC)", widget=EndInput)
    reason = forms.CharField(label="Reason", required=False, max_length=LONGEST_REASON)

    def __init__(self, *args: Any, person_id: int) -> None:
        super().__init__(*args)
        fields: Any = self.fields
        others = listing.possible_delegates().exclude(pk=person_id)
        fields["delegate"].queryset = others.order_by(users.name_field())
        own = Group.objects.filter(user=person_id).order_by("name", "pk")
        fields["groups"].queryset, fields["groups"].initial = own, own

    def command(self) -> Delegate:
        """Return the command."""
        given = self.cleaned_data
        return Delegate(
            delegate_id=given["delegate"].pk,
            groups=tuple(group.pk for group in given["groups"]),
            begins_at=given["begins_at"],
            ends_at=given["ends_at"],
        )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def own_delegations(request: HttpRequest) -> HttpResponse:
    """Return the page of delegations, or the outcome of the form for a new one."""
    actor = actor_of_request(request)
    given = request.POST if request.method == "POST" else None
    form = DelegationForm(given, person_id=int(actor.person_id))
    if form.is_valid():
        return _sent(form.command(), request)
    found = list(listing.visible_to(actor).order_by("-pk")[:_MOST])
    names = listing.group_names(found)
    for each in found:
        each.group_names = names[each.pk]
        each.may_end = not each.is_ended and listing.concerns(each, actor)
    return rendered(
        request, "approvals/own_delegations.html", title="Delegations", form=form, rows=found
    )


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def end_own_delegation(request: HttpRequest, delegation_id: UUID) -> HttpResponse:
    """End a delegation early."""
    visible = listing.visible_to(actor_of_request(request))
    delegation = get_object_or_404(visible, pk=delegation_id)
    if request.method != "POST":
        return redirect(_PAGE)
    return _sent(EndDelegation(delegation_id=delegation.pk), request)


def _sent(command: Command, request: HttpRequest) -> HttpResponse:
    feedback = send(command, request=request)
    messages.add_message(request, feedback.level, feedback.message)
    return redirect(_PAGE)
