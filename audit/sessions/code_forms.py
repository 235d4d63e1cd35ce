"""The forms of the second factor."""

from typing import Any

from django import forms
from django.http import HttpRequest

from audit.factors import requirement
from audit.sessions.forms import ConfirmedForm, LimitedForm, check_code
from audit.sessions.passkeys import SIGN_IN, PasskeyForm

_LONGEST_CODE = 64


def _code(**attributes: str) -> forms.CharField:
    attributes |= {"autocomplete": "one-time-code", "spellcheck": "false"}
    return forms.CharField(
        label="Code", max_length=_LONGEST_CODE, widget=forms.TextInput(attrs=attributes)
    )


class CodeForm(PasskeyForm):
    """The second step of signing in: a code of the app, a recovery code, or a passkey."""

    typed = "code"
    purpose = SIGN_IN
    code = _code(autofocus="autofocus")

    def __init__(self, *args: Any, request: HttpRequest, user: Any, **options: Any) -> None:
        super().__init__(*args, request=request, user=user, **options)
        self.expect(typed=requirement.has_app(user.pk))

    def clean_code(self) -> str:
        """Check the code, unless a passkey was sent or there were too many attempts."""
        code: str = self.cleaned_data["code"]
        if self.is_passkey:
            return code
        return check_code(code, form=self, request=self._request, user=self._user)


class FirstSetUpForm(LimitedForm):
    """Setting up an authenticator app while signing in: the password was just checked."""

    code = _code(inputmode="numeric")


class SetUpForm(ConfirmedForm):
    """Setting up an authenticator app later."""

    code = _code(inputmode="numeric")


class RemoveForm(ConfirmedForm):
    """Removing one's second factor."""
