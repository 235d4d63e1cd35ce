"""Passkeys on the pages that take a second factor: their challenges, and what browsers respond."""

import secrets
import time
from typing import Any, NamedTuple
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from audit.factors.commands import VerifyPasskey
from audit.factors.passkeys import Challenge, passkeys
from audit.sessions import limits
from audit.sessions.forms import LimitedForm
from audit.sessions.recording import send

SIGN_IN, CONFIRMATION = "sign-in", "confirmation"
_KEY = "passkey_challenge"
_SECONDS = 600
_NOT_VALID = (
    "The response of the passkey is not valid for this page, or the page was open for more than "
    "ten minutes. Try again."
)

_NO_RESPONSE = (
    "The form came without the response of a passkey. It needs a browser that supports passkeys, "
    "with JavaScript."
)


class Offer(NamedTuple):
    """The values with which a page reads a passkey; with a ``problem``, it cannot be used."""

    script: str
    options: str = ""
    problem: str = ""


class PasskeyForm(LimitedForm):
    """A form that takes a passkey in place of what is typed into its field ``typed``, if any."""

    typed = ""
    purpose = ""
    passkey = forms.CharField(
        widget=forms.HiddenInput, required=False, error_messages={"required": _NO_RESPONSE}
    )
    #: The id of the passkey that was used; None if something was typed.
    used: UUID | None = None

    def __init__(self, *args: Any, request: HttpRequest, user: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._request, self._user = request, user

    def expect(self, *, typed: bool) -> None:
        """Take the typed field, unless a passkey was sent; without it, a passkey only."""
        if not typed:
            del self.fields[self.typed]
            self.fields["passkey"].required = True
        elif self.is_passkey:
            self.fields[self.typed].required = False

    @property
    def is_passkey(self) -> bool:
        """True if a passkey was sent: then nothing that was typed is checked."""
        return bool(self.data.get("passkey"))

    def clean_passkey(self) -> str:
        """Check the passkey, unless there were too many attempts."""
        given: str = self.cleaned_data["passkey"]
        if given:
            self.used = check_passkey(
                given, form=self, request=self._request, user=self._user, purpose=self.purpose
            )
        return given

    def offer(self) -> Offer | None:
        """Return what the page needs to take a passkey, with a new challenge."""
        return offered(self._request, self._user, purpose=self.purpose)


def offered(request: HttpRequest, user: Any, *, purpose: str) -> Offer | None:
    """Return what a page needs to take a passkey of a person; None if the person has none.

    Each time there is another challenge, which replaces the one before.
    """
    found = passkeys()
    if not found.has(user.pk):
        return None
    if problem := found.problem():
        return Offer(found.script, problem=problem)
    nonce = secrets.token_hex(16)
    request.session[_KEY] = {"purpose": purpose, "nonce": nonce, "at": time.time()}
    challenge = Challenge(user_id=user.pk, purpose=purpose, nonce=nonce)
    return Offer(found.script, found.options(challenge))


def check_passkey(
    response: str, *, form: LimitedForm, request: HttpRequest, user: Any, purpose: str
) -> UUID:
    """Return the id of the passkey of a valid response to the challenge of the page.

    :raises ValidationError: if it is not valid, or there were too many invalid ones.
    """
    command = VerifyPasskey(
        user_id=user.pk, purpose=purpose, nonce=_taken(request, purpose), response=response
    )
    with form.refusing("invalid passkeys"), limits.limited_passkey(request, user):
        used: UUID | None = send(command, request=request, user=user).result
        if used is None:
            raise ValidationError(_NOT_VALID, code="incorrect")
    return used


def _taken(request: HttpRequest, purpose: str) -> str:
    """Return the nonce of the session's challenge, which ends; empty if there is none."""
    stored = request.session.pop(_KEY, None)
    if stored is None or stored["purpose"] != purpose or time.time() - stored["at"] > _SECONDS:
        return ""
    return str(stored["nonce"])
