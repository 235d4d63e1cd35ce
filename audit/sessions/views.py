"""Signing in and changing one's password: Django's pages, with limits and records."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.views import PasswordChangeView, PasswordResetConfirmView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.template.response import TemplateResponse
from django.urls import reverse_lazy

from audit.actors.actors import actor_for_user
from audit.bus.dispatch import dispatch
from audit.entry.rate_limits import LimitReached
from audit.entry.requests import context_of
from audit.sessions import limits
from audit.sessions.commands import ChangePassword
from audit.sessions.recording import CHANNEL

_BUSY_SECONDS = 2


class SignInForm(AdminAuthenticationForm):
    """The form of the sign-in page."""

    #: The seconds until the next attempt, if this one was refused unchecked.
    retry_after: int | None = None

    def clean(self) -> dict[str, Any]:
        """Check the password, unless there were too many attempts."""
        username = self.cleaned_data.get("username")
        if self.request is None or not username or not self.cleaned_data.get("password"):
            return super().clean()
        try:
            with limits.limited(self.request, username):
                return super().clean()
        except LimitReached as reached:
            self.retry_after = reached.quota.seconds
            wait = f"{self.retry_after} second{pluralize(self.retry_after)}"
            message = f"Too many attempts to sign in. Try again in {wait}."
        except limits.Busy:
            self.retry_after = _BUSY_SECONDS
            message = "Too many people are signing in right now. Try again in a few seconds."
        raise ValidationError(message, code="throttled")


def sign_in(request: HttpRequest) -> HttpResponse:
    """Return the sign-in page, or the response to its form."""
    was_signed_in = request.user.is_authenticated
    response: HttpResponse = admin.site.login(request)
    form = _form_of(response)
    if form and form.retry_after is not None:
        response.status_code = HTTPStatus.TOO_MANY_REQUESTS
        response.headers["Retry-After"] = str(form.retry_after)
    elif request.method == "POST" and request.user.is_authenticated and not was_signed_in:
        limits.remember_device(request, response)
    return response


class _SetsPassword:
    """A view that changes the password by a command."""

    request: HttpRequest

    def form_valid(self, form: Any) -> HttpResponse:
        form.save = lambda: self._save(form)
        response: HttpResponse = super().form_valid(form)  # type: ignore[misc]  # a mixin
        return response

    def _save(self, form: Any) -> Any:
        user = form.user
        command = ChangePassword(user_id=user.pk, password=form.cleaned_data["new_password1"])
        actor = actor_for_user(user)
        dispatch(command, context=context_of(self.request, channel=CHANNEL, actor=actor))
        user.refresh_from_db()
        return user


class ChangeOwnPassword(_SetsPassword, PasswordChangeView):
    """The page on which people change their own password."""

    success_url = reverse_lazy("admin:password_change_done")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context) | admin.site.each_context(self.request)


class SetPassword(_SetsPassword, PasswordResetConfirmView):
    """The page of a password link."""


def _form_of(response: HttpResponse) -> SignInForm | None:
    context = response.context_data if isinstance(response, TemplateResponse) else None
    return (context or {}).get("form")
