"""Forms with passwords and codes, whose attempts are limited and recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils import timezone

from audit.entry.rate_limits import LimitReached
from audit.entry.requests import authenticated_at
from audit.factors.commands import VerifySecondFactor
from audit.factors.requirement import has_factor
from audit.sessions import limits
from audit.sessions.recording import record_failed_change, record_failed_confirmation, send

_BUSY_SECONDS = 2
_RECENT = timedelta(minutes=10)
_TOO_OLD = "Your account has no password, and you signed in more than ten minutes ago."
_NOT_CORRECT = "The code is not correct, or was used before. Wait for the next one, then try again."


class LimitedForm(forms.Form):
    """A form that checks a password or a code."""

    #: The seconds until the next attempt, if this one was refused unchecked.
    retry_after: int | None = None

    @contextmanager
    def refusing(self, attempts: str) -> Iterator[None]:
        """Raise ValidationError if the block is refused by a limit."""
        try:
            yield
        except LimitReached as reached:
            self.retry_after = reached.quota.seconds
            wait = f"{self.retry_after} second{pluralize(self.retry_after)}"
            message = f"Too many {attempts}. Try again in {wait}."
        except limits.Busy:
            self.retry_after = _BUSY_SECONDS
            message = "Too many people are signing in right now. Try again in a few seconds."
        else:
            return
        raise ValidationError(message, code="throttled")


class SignInForm(LimitedForm, AuthenticationForm):
    """The form of the sign-in page."""

    def clean(self) -> dict[str, Any]:
        """Check the password, unless there were too many attempts."""
        username = self.cleaned_data.get("username")
        if self.request is None or not username or not self.cleaned_data.get("password"):
            return super().clean()
        with self.refusing("attempts to sign in"), limits.limited(self.request, username):
            return super().clean()


class NewPasswordForm(LimitedForm, SetPasswordForm):
    """The form of a password link."""


class OwnPasswordForm(LimitedForm, PasswordChangeForm):
    """The form on which people change their own password."""

    error_messages = PasswordChangeForm.error_messages | {
        "password_incorrect": "The current password is not correct."
    }

    def __init__(self, *args: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["old_password"].label = "Current password"
        self._request = request

    def clean_old_password(self) -> str:
        """Check the current password, unless there were too many attempts."""
        with self.refusing("wrong passwords"), limits.limited_change(self._request):
            return self._checked()

    def _checked(self) -> str:
        try:
            return super().clean_old_password()
        except ValidationError:
            record_failed_change(self._request)
            raise


class ConfirmedForm(LimitedForm):
    """A form that asks the signed-in user for the current password again.

    A person without a password, who uses single sign-on, must have signed in or confirmed the
    sign-in just before.
    """

    password = forms.CharField(
        label="Current password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self._request = request
        user: Any = request.user
        if not user.has_usable_password():
            del self.fields["password"]

    def clean(self) -> dict[str, Any] | None:
        """Check the time of the sign-in of a person without a password."""
        if "password" not in self.fields:
            _check_recent(self._request)
        return super().clean()

    def clean_password(self) -> str:
        """Check the password, unless there were too many attempts."""
        return check_password(self.cleaned_data["password"], form=self, request=self._request)


def _check_recent(request: HttpRequest) -> None:
    """Check that the sign-in, or its confirmation, is recent.

    :raises ValidationError: if it is not.
    """
    at = authenticated_at(request)
    if at is not None and timezone.now() - at <= _RECENT:
        return
    user: Any = request.user
    page = f", or confirm it at {reverse('confirm-sign-in')}," if has_factor(user.pk) else ""
    message = f"{_TOO_OLD} Log out and sign in again{page} and then repeat this."
    raise ValidationError(message, code="old_sign_in")


def check_password(password: str, *, form: LimitedForm, request: HttpRequest) -> str:
    """Return the password that confirms the sign-in.

    :raises ValidationError: if it is wrong, or there were too many wrong ones.
    """
    with form.refusing("wrong passwords"), limits.limited_confirmation(request):
        if not request.user.check_password(password):
            record_failed_confirmation(request)
            raise ValidationError("The password is not correct.", code="incorrect")
    return password


def check_code(code: str, *, form: LimitedForm, request: HttpRequest, user: Any) -> str:
    """Return the code of a person's second factor, which is then no longer valid.

    :raises ValidationError: if it is wrong, or there were too many wrong ones.
    """
    command = VerifySecondFactor(user_id=user.pk, code=code)
    with form.refusing("wrong codes"), limits.limited_code(request, user):
        if not send(command, request=request, user=user).result:
            raise ValidationError(_NOT_CORRECT, code="incorrect")
    return code


def refused(response: HttpResponse, form: LimitedForm) -> HttpResponse:
    """Return the page of an invalid form, with status 429 if a limit has refused it."""
    if form.retry_after is not None:
        response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        response.headers["Retry-After"] = str(form.retry_after)
    return response
