"""Signing in and changing one's password: Django's pages, with limits and records."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm, SetPasswordForm
from django.contrib.auth.views import (
    LoginView,
    PasswordChangeDoneView,
    PasswordChangeView,
    PasswordResetConfirmView,
)
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.urls import reverse, reverse_lazy

from audit.actors.actors import actor_for_user
from audit.bus.dispatch import dispatch
from audit.entry.rate_limits import LimitReached
from audit.entry.requests import context_of
from audit.messages.exceptions import Conflict
from audit.sessions import limits
from audit.sessions.commands import ChangePassword
from audit.sessions.recording import CHANNEL, record_failed_change

_BUSY_SECONDS = 2


class _LimitedForm(Form):
    """A form that checks a password."""

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


class SignInForm(_LimitedForm, AuthenticationForm):
    """The form of the sign-in page."""

    def clean(self) -> dict[str, Any]:
        """Check the password, unless there were too many attempts."""
        username = self.cleaned_data.get("username")
        if self.request is None or not username or not self.cleaned_data.get("password"):
            return super().clean()
        with self.refusing("attempts to sign in"), limits.limited(self.request, username):
            return super().clean()


class _NewPasswordForm(_LimitedForm, SetPasswordForm):
    """The form of a password link."""


class _OwnPasswordForm(_LimitedForm, PasswordChangeForm):
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


class _SignIn(LoginView):
    """The sign-in page, for all people with an account."""

    template_name = "admin/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_success_url(self) -> str:
        """Return the page that was requested, if the person can open it, or else the first page."""
        page = super().get_success_url()
        user: Any = self.request.user
        path = urlsplit(page).path
        is_closed = path.startswith(reverse("admin:index")) and not user.is_staff
        if is_closed or path == self.request.path:
            return self.get_default_redirect_url()
        return page

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        limits.remember_device(self.request, response)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        if form.retry_after is not None:
            _refuse(response, form.retry_after)
        return response

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        frame = admin.site.each_context(self.request)
        here = {"title": "Sign in", "app_path": self.request.get_full_path()}
        return super().get_context_data(**context) | frame | here


sign_in = _SignIn.as_view()


class _SetsPassword:
    """A view that changes the password by a command."""

    request: HttpRequest

    def form_valid(self, form: Any) -> HttpResponse:
        form.save = lambda: self._save(form)
        try:
            with form.refusing("passwords"), limits.one_check():
                response: HttpResponse = super().form_valid(form)  # type: ignore[misc]  # a mixin
        except ValidationError as error:
            form.add_error("new_password1", error)
            return self.form_invalid(form)
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]  # a mixin
        if form.retry_after is not None:
            _refuse(response, form.retry_after)
        return response

    def _save(self, form: Any) -> Any:
        user = form.user
        command = ChangePassword(
            user_id=user.pk,
            password=form.cleaned_data["new_password1"],
            former_hash=user.password,
        )
        actor = actor_for_user(user)
        try:
            dispatch(command, context=context_of(self.request, channel=CHANNEL, actor=actor))
        except Conflict as error:
            raise ValidationError(f"{error} {error.remedy}") from error
        user.refresh_from_db()
        return user


class ChangeOwnPassword(_SetsPassword, PasswordChangeView):
    """The page on which people change their own password."""

    form_class = _OwnPasswordForm
    title = "Change password"
    success_url = reverse_lazy("password-changed")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context) | admin.site.each_context(self.request)


class PasswordChanged(PasswordChangeDoneView):
    """The page after the change, in the frame of the site."""

    title = "Password changed"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**context) | admin.site.each_context(self.request)


class SetPassword(_SetsPassword, PasswordResetConfirmView):
    """The page of a password link."""

    form_class = _NewPasswordForm
    title = "New password"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        # For an invalid link, Django has a title about a reset.
        return super().get_context_data(**context) | {"title": self.title}


def _refuse(response: HttpResponse, retry_after: int) -> None:
    response.status_code = HTTPStatus.TOO_MANY_REQUESTS
    response.headers["Retry-After"] = str(retry_after)
