"""The page of a person's passkeys: to register further ones, and to remove one."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from approvals.pages.feedback import send
from approvals.pages.nonces import nonce_of
from approvals.passkeys import ceremonies, enrolment, listing, signing
from approvals.passkeys.commands import RegisterPasskey, RemovePasskey
from approvals.passkeys.handlers import LONGEST_NAME
from approvals.passkeys.models import Passkey
from audit.entry.requests import actor_of_request
from audit.factors.requirement import is_on
from audit.messages.classes import Command
from audit.messages.text import clean_text
from audit.pages.access import rendered
from audit.sessions.forms import ConfirmedForm, refused

_PAGE = "countersign:own-passkeys"
_LONGEST = 16_384
_NO_RESPONSE = (
    "The form came without the response of a passkey. It needs a browser that supports passkeys, "
    "with JavaScript."
)


class PasskeyForm(ConfirmedForm):
    """A new passkey of the person who is signed in; a script fills in the hidden fields."""

    passkey_name = forms.CharField(
        label="Name",
        max_length=LONGEST_NAME,
        help_text="To distinguish it from your other passkeys, such as “security key” or “phone”.",
    )
    code = forms.CharField(
        label="Enrolment code", required=False, help_text="From an operator of Countersign."
    )
    attestation = forms.CharField(
        widget=forms.HiddenInput,
        max_length=_LONGEST,
        error_messages={"required": _NO_RESPONSE},
    )
    client_data = forms.CharField(widget=forms.HiddenInput, required=False, max_length=_LONGEST)
    signature = forms.CharField(widget=forms.HiddenInput, required=False, max_length=_LONGEST)

    field_order = ("passkey_name", "code", "password")

    def __init__(self, *args: Any, request: HttpRequest, needs_code: bool) -> None:
        super().__init__(*args, request=request)
        if not needs_code:
            del self.fields["code"]

    def command(self, *, person_id: int, nonce: str) -> RegisterPasskey:
        """Return the command."""
        given = self.cleaned_data
        return RegisterPasskey(
            passkey_name=clean_text(given["passkey_name"], longest=LONGEST_NAME),
            attestation=given["attestation"],
            client_data=given["client_data"],
            nonce=nonce,
            signature=given["signature"],
            enrolment_id=enrolment.enrolment_with(given.get("code", ""), person_id=person_id),
        )


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password", "code")
@never_cache
@login_required
def own_passkeys(request: HttpRequest) -> HttpResponse:
    """Return the page of passkeys, or the outcome of the form for a new one."""
    person_id = int(actor_of_request(request).person_id)
    nonce = _nonce(request, person_id)
    known, now = listing.of_person(person_id), timezone.now()
    for each in known:
        each.counts = listing.counts(each, now)
    given = request.POST if request.method == "POST" else None
    needs_code = enrolment.is_required(person_id)
    form = PasskeyForm(given, request=request, needs_code=needs_code)
    problem = ceremonies.problem_with_address()
    if not problem and form.is_valid():
        return _sent(form.command(person_id=person_id, nonce=nonce), request)
    current = listing.without_ended(known)
    page = rendered(
        request,
        "approvals/own_passkeys.html",
        title="Passkeys",
        form=form,
        rows=known,
        problem=problem,
        needs_reset=bool(known) and not current,
        is_factor=is_on(),
        **({} if problem else _options(request, person_id, nonce=nonce, current=current)),
    )
    return refused(page, form)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("remove-password")
@never_cache
@login_required
def remove_own_passkey(request: HttpRequest, passkey_id: UUID) -> HttpResponse:
    """Remove a passkey, after the password or a recent sign-in."""
    own = Passkey.objects.filter(user=int(actor_of_request(request).person_id))
    passkey = get_object_or_404(own, pk=passkey_id)
    if request.method != "POST":
        return redirect(_PAGE)
    form = ConfirmedForm(request.POST, request=request, prefix="remove")
    if not form.is_valid():
        message = " ".join(str(error) for errors in form.errors.values() for error in errors)
        messages.error(request, f"Not removed: {message}")
        return redirect(_PAGE)
    return _sent(RemovePasskey(passkey_id=passkey.pk), request)


def _options(
    request: HttpRequest, person_id: int, *, nonce: str, current: list[Any]
) -> dict[str, Any]:
    """Return what the script on the page needs."""
    challenge = signing.registration_challenge(person_id=person_id, nonce=nonce)
    options = ceremonies.registration_options(
        person_id=person_id,
        username=str(request.user),
        challenge=challenge,
        known=current,
    )
    # The script replaces the challenge by one over the new passkey.
    signing_options = ceremonies.signature_options(challenge=challenge, known=current)
    return {
        "options": options,
        "signing_options": signing_options if current else "",
        "signed_values": {"nonce": nonce, "person": str(person_id)},
    }


def _nonce(request: HttpRequest, person_id: int) -> str:
    """Return the nonce of the next registration: another one after each."""
    count = Passkey.objects.filter(user=person_id).count()
    return nonce_of(request, f"passkey {count + 1}")


def _sent(command: Command, request: HttpRequest) -> HttpResponse:
    feedback = send(command, request=request)
    messages.add_message(request, feedback.level, feedback.message)
    return redirect(_PAGE)
