"""Signing in and changing one's password: Django's pages, with limits and records."""

from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import (
    LoginView,
    PasswordChangeDoneView,
    PasswordChangeView,
    PasswordResetConfirmView,
)
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse, reverse_lazy

from audit.factors.pending import Pending
from audit.factors.requirement import is_asked_of
from audit.messages.exceptions import Conflict
from audit.sessions import limits
from audit.sessions.commands import ChangePassword
from audit.sessions.forms import NewPasswordForm, OwnPasswordForm, SignInForm, refused
from audit.sessions.recording import record_begun, send


class _SignIn(LoginView):
    """The sign-in page, for all people with an account."""

    template_name = "admin/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    def get_success_url(self) -> str:
        """Return the page that was requested, if the person can open it, or else the first page."""
        return self._next_page(self.request.user)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        user = form.get_user()
        if is_asked_of(user):
            record_begun(self.request, user)
            Pending.begin(self.request, user, next_page=self._next_page(user))
            return redirect("second-step")
        response = super().form_valid(form)
        limits.remember_device(self.request, response, page=self.request.path)
        return response

    def _next_page(self, user: Any) -> str:
        page = super().get_success_url()
        path = urlsplit(page).path
        is_closed = path.startswith(reverse("admin:index")) and not user.is_staff
        if is_closed or path == self.request.path:
            return self.get_default_redirect_url()
        return page

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        return refused(response, form)

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
        return refused(response, form)

    def _save(self, form: Any) -> Any:
        user = form.user
        command = ChangePassword(
            user_id=user.pk,
            password=form.cleaned_data["new_password1"],
            former_hash=user.password,
        )
        try:
            send(command, request=self.request, user=user)
        except Conflict as error:
            raise ValidationError(f"{error} {error.remedy}") from error
        user.refresh_from_db()
        return user


class ChangeOwnPassword(_SetsPassword, PasswordChangeView):
    """The page on which people change their own password."""

    form_class = OwnPasswordForm
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

    form_class = NewPasswordForm
    title = "New password"

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        # For an invalid link, Django has a title about a reset.
        return super().get_context_data(**context) | {"title": self.title}
