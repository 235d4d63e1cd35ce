"""The pages of the second factor: the second step of signing in, setting it up, removing it."""

import base64
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from uuid import UUID

import segno
from django.conf import settings
from django.contrib import admin, auth
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.generic import FormView

from audit.factors import commands, requirement, sealing
from audit.factors.models import Authenticator, key_text, new_key
from audit.factors.passkeys import passkeys
from audit.factors.pending import Pending
from audit.installation.encryption import Undecryptable
from audit.installation.settings import countersign
from audit.messages.exceptions import CommandError
from audit.sessions import limits
from audit.sessions.code_forms import CodeForm, FirstSetUpForm, RemoveForm, SetUpForm
from audit.sessions.forms import LimitedForm, refused
from audit.sessions.recording import send

_NEW_KEY = "new_authenticator_key"
_ISSUER = "Countersign"


@method_decorator(never_cache, name="dispatch")
class _Page(FormView):
    """A page in the frame of the site, which exists only while second factors are used."""

    title = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not requirement.is_on():
            raise Http404
        self.pending = Pending.of(request)
        self.user = self.pending.user() if self.pending else self._signed_in(request)
        if self.user is None:
            return redirect(settings.LOGIN_URL)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]  # as Django's

    def form_invalid(self, form: LimitedForm) -> HttpResponse:
        return refused(super().form_invalid(form), form)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        frame = admin.site.each_context(self.request)
        return super().get_context_data(**context) | frame | {"title": self.title}

    def complete(self, pending: Pending, *, passkey_id: UUID | None = None) -> None:
        """Sign in the person whose password and second factor were verified."""
        Pending.end(self.request)
        auth.login(self.request, self.user, backend=pending.backend)
        if passkey_id is None:
            self.mark_verified()
        else:
            # The session ends with the passkey.
            self.request.session[requirement.VERIFIED_BY_PASSKEY] = str(passkey_id)

    def mark_verified(self) -> None:
        """Note the authenticator app in the session, which ends with it."""
        used = Authenticator.of(self.user.pk)
        self.request.session[requirement.VERIFIED] = used and used.pk

    @staticmethod
    def _signed_in(request: HttpRequest) -> Any:
        return request.user if request.user.is_authenticated else None


class _SecondStep(_Page):
    """The second step of signing in."""

    template_name = "audit/second_step.html"
    form_class = CodeForm
    title = "Second factor"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        pending = Pending.of(request)
        if pending is None:
            return redirect("home" if request.user.is_authenticated else settings.LOGIN_URL)
        if not requirement.has_factor(pending.user_id):
            return redirect("set-up-second-factor")
        return super().dispatch(request, *args, **kwargs)

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request, "user": self.user}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        shown = super().get_context_data(**context)
        return shown | {"offer": shown["form"].offer()}

    def form_valid(self, form: CodeForm) -> HttpResponse:
        if self.pending is None:
            raise Http404
        self.complete(self.pending, passkey_id=form.used)
        response = redirect(self.pending.next)
        limits.remember_device(self.request, response, page=self.pending.page)
        return response


class _SetUp(_Page):
    """Setting up an authenticator app: while signing in, or later after giving the password."""

    template_name = "audit/set_up_second_factor.html"
    title = "Set up a second factor"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        pending = Pending.of(request)
        if pending and requirement.has_factor(pending.user_id):
            # Otherwise the password would be enough to replace the second factor.
            return redirect("second-step")
        return super().dispatch(request, *args, **kwargs)

    def get_form_class(self) -> type[LimitedForm]:
        return FirstSetUpForm if self.pending else SetUpForm

    def get_form_kwargs(self) -> dict[str, Any]:
        known = {} if self.pending else {"request": self.request}
        return super().get_form_kwargs() | known

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        key = key_text(self._key())
        shown = {
            "image": segno.make(self._uri(key), error="m").svg_data_uri(scale=5, light="#fff"),
            "key": " ".join(key[at : at + 4] for at in range(0, len(key), 4)),
            "name": self.user.get_username(),
        }
        return super().get_context_data(**context) | shown

    def form_valid(self, form: LimitedForm) -> HttpResponse:
        command = commands.SetUpSecondFactor(
            user_id=self.user.pk,
            key=key_text(self._key()),
            code=form.cleaned_data["code"],
            replaces=self.pending is None,
        )
        try:
            done = send(command, request=self.request, user=self.user)
        except CommandError as error:
            form.add_error("code", f"{error.message} {error.remedy}")
            return self.form_invalid(form)
        if not done.result:
            form.add_error("code", "The code is not that of this key. Check the clock of the app.")
            return self.form_invalid(form)
        return self._set_up(done.secret.splitlines())

    def _set_up(self, codes: list[str]) -> HttpResponse:
        """Return the page with the recovery codes, which are shown only once."""
        pending = self.pending
        self.request.session.pop(_NEW_KEY, None)
        if pending:
            self.complete(pending)
        else:
            self.mark_verified()
        context = admin.site.each_context(self.request) | {
            "title": "Recovery codes",
            "codes": codes,
            "next": pending.next if pending else reverse_lazy("second-factor"),
        }
        response = render(self.request, "audit/recovery_codes.html", context)
        if pending:
            limits.remember_device(self.request, response, page=pending.page)
        return response

    def _key(self) -> bytes:
        """Return the key that the page shows, the same one until it is set up."""
        stored = self.request.session.get(_NEW_KEY)
        if stored:
            try:
                return sealing.decrypt(base64.b64decode(stored), user_id=self.user.pk)
            except Undecryptable:
                pass
        key = new_key()
        sealed = sealing.encrypt(key, user_id=self.user.pk)
        self.request.session[_NEW_KEY] = base64.b64encode(sealed).decode()
        return key

    def _uri(self, key: str) -> str:
        """Return the URI for authenticator apps, in the Key Uri Format."""
        host = urlsplit(countersign().base_url).hostname
        issuer = f"{_ISSUER} ({host})" if host else _ISSUER
        label = quote(f"{issuer}:{self.user.get_username()}")
        query = urlencode({"secret": key, "issuer": issuer}, quote_via=quote)
        return f"otpauth://totp/{label}?{query}"


@method_decorator(login_required, name="dispatch")
class _SecondFactor(_Page):
    """One's own second factor: whether there is one, and removing it."""

    template_name = "audit/second_factor.html"
    form_class = RemoveForm
    title = "Second factor"
    success_url = reverse_lazy("second-factor")

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"request": self.request}

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        found = Authenticator.of(self.user.pk)
        shown = {
            "authenticator": found,
            "left": found.recovery_codes_left() if found else 0,
            "passkeys_page": passkeys().page if passkeys().has(self.user.pk) else "",
            "is_required": requirement.is_required_of(self.user),
        }
        return super().get_context_data(**context) | shown

    def form_valid(self, form: LimitedForm) -> HttpResponse:
        try:
            command = commands.RemoveSecondFactor(user_id=self.user.pk)
            send(command, request=self.request, user=self.user)
        except CommandError as error:
            form.add_error(None, error.message)
            return self.form_invalid(form)
        self.request.session.pop(requirement.VERIFIED, None)
        return super().form_valid(form)


second_step = _SecondStep.as_view()
set_up = _SetUp.as_view()
second_factor = _SecondFactor.as_view()
