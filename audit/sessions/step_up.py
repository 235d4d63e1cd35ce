"""Step-up: the confirmation of an older sign-in, by the password, a code or a passkey."""

import time
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import RedirectURLMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView

from audit.entry.requests import CONFIRMED_AT, has_old_sign_in
from audit.factors import requirement
from audit.sessions.commands import ConfirmSignIn
from audit.sessions.forms import check_code, check_password, refused
from audit.sessions.passkeys import CONFIRMATION, PasskeyForm
from audit.sessions.recording import send

_FIELD = "confirmation"
_PASSKEY = "passkey"
_NOT_CARRIED = (_FIELD, _PASSKEY, "csrfmiddlewaretoken")
_TEMPLATE = "audit/confirm_sign_in.html"
_TITLE = "Confirm your sign-in"


class ConfirmationForm(PasskeyForm):
    """A form that asks the signed-in user for a code or password, or a passkey in its place.

    The code is that of the second factor; only those who have none give their password.
    """

    typed = _FIELD
    purpose = CONFIRMATION
    confirmation = forms.CharField(strip=False)

    def __init__(self, *args: Any, request: HttpRequest, **options: Any) -> None:
        user: Any = request.user
        super().__init__(*args, request=request, user=user, **options)
        self.takes_code = requirement.has_app(user.pk)
        self.takes_password = user.has_usable_password() and not requirement.has_factor(user.pk)
        field = self.fields[_FIELD]
        field.label = "Code" if self.takes_code else "Current password"
        widget = forms.TextInput if self.takes_code else forms.PasswordInput
        complete = "one-time-code" if self.takes_code else "current-password"
        field.widget = widget(attrs={"autocomplete": complete, "autofocus": "autofocus"})
        self.expect(typed=self.takes_code or self.takes_password)

    def clean_confirmation(self) -> str:
        """Check the code or password, unless a passkey was sent or there were too many attempts."""
        given: str = self.cleaned_data[_FIELD]
        if self.is_passkey:
            return given
        if self.takes_password:
            return check_password(given, form=self, request=self._request)
        return check_code(given, form=self, request=self._request, user=self._user)


def confirmation_page(request: HttpRequest, *, purpose: str) -> HttpResponse | None:
    """Return the page on which an older sign-in is confirmed; None if it is recent, or now is.

    The page repeats the form that was sent, so that nothing that it displayed or that was typed is
    lost, and adds the confirmation to it.
    """
    if not has_old_sign_in(request):
        return None
    given = request.POST if {_FIELD, _PASSKEY} & set(request.POST) else None
    form = ConfirmationForm(given, request=request)
    if form.is_bound and form.is_valid():
        _confirm(request)
        return None
    carried = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in _NOT_CARRIED
        for value in values
    ]
    context = {
        "form": form,
        "offer": form.offer(),
        "carried": carried,
        "purpose": purpose,
        "title": _TITLE,
    }
    page = render(request, _TEMPLATE, admin.site.each_context(request) | context)
    return refused(page, form)


@method_decorator((login_required, never_cache), name="dispatch")
class _ConfirmSignIn(RedirectURLMixin, FormView):
    """The page for a sign-in that is confirmed before it is needed, as by users of the API."""

    template_name = _TEMPLATE
    form_class = ConfirmationForm
    next_page = "home"

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        shown = admin.site.each_context(self.request) | {"title": _TITLE}
        next_page = self.get_redirect_url()
        carried = [("next", next_page)] if next_page else []
        found = super().get_context_data(**context)
        return found | shown | {"carried": carried, "offer": found["form"].offer()}

    def form_valid(self, form: Any) -> HttpResponse:
        _confirm(self.request)
        return super().form_valid(form)

    def form_invalid(self, form: Any) -> HttpResponse:
        return refused(super().form_invalid(form), form)


confirm_sign_in = _ConfirmSignIn.as_view()


def _confirm(request: HttpRequest) -> None:
    """Record the confirmation, and note its time in the session, which lasts no longer by it."""
    user: Any = request.user
    send(ConfirmSignIn(user_id=user.pk), request=request, user=user)
    request.session[CONFIRMED_AT] = time.time()
