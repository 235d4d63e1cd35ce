"""The forms of the second factor."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from audit.sessions import limits
from audit.sessions.forms import ConfirmedForm, LimitedForm

_LONGEST_CODE = 64
_NOT_CORRECT = "The code is not correct, or was used before. Wait for the next one, then try again."


def _code(**attributes: str) -> forms.CharField:
    attributes |= {"autocomplete": "one-time-code", "spellcheck": "false"}
    return forms.CharField(
        label="Code", max_length=_LONGEST_CODE, widget=forms.TextInput(attrs=attributes)
    )


class CodeForm(LimitedForm):
    """The second step of signing in: a code of the app, or a recovery code."""

    code = _code(autofocus="autofocus")

    def __init__(
        self,
        *args: Any,
        request: HttpRequest,
        user: Any,
        verify: Callable[[str], bool],
        **rest: Any,
    ) -> None:
        super().__init__(*args, **rest)
        self._request, self._user, self._verify = request, user, verify

    def clean_code(self) -> str:
        """Check the code, unless there were too many attempts."""
        code: str = self.cleaned_data["code"]
        with self.refusing("wrong codes"), limits.limited_code(self._request, self._user):
            if not self._verify(code):
                raise ValidationError(_NOT_CORRECT, code="incorrect")
        return code


class FirstSetUpForm(LimitedForm):
    """Setting up an authenticator app while signing in: the password was just checked."""

    code = _code(inputmode="numeric")


class SetUpForm(ConfirmedForm):
    """Setting up an authenticator app later."""

    code = _code(inputmode="numeric")


class RemoveForm(ConfirmedForm):
    """Removing one's second factor."""
