"""The commands of signing in and out: records of what Django signals, and those of its pages."""

from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import connection, transaction
from django.dispatch import receiver
from django.http import HttpRequest

from audit.actors.actors import SYSTEM, actor_for_user
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.factors.commands import BeginSignIn, RecordThrottledSecondFactor
from audit.installation import users
from audit.messages.classes import Command
from audit.sessions import store
from audit.sessions.commands import (
    RecordFailedConfirmation,
    RecordFailedPasswordChange,
    RecordFailedSignIn,
    SignIn,
    SignOut,
)
from audit.subjects.types import named_like

_CHANNEL = "sign-in"

named_like("account", get_user_model())


@receiver(user_logged_in)
def record_sign_in(request: HttpRequest, user: Any, **_: Any) -> None:
    """Note the time in the session, and record the sign-in; without a record, it fails."""
    store.begin(request.session)
    _record(SignIn(user_id=user.pk), request, user)


@receiver(user_logged_out)
def record_sign_out(request: HttpRequest, user: Any, **_: Any) -> None:
    if user is not None:
        _record(SignOut(user_id=user.pk), request, user)


@receiver(user_login_failed)
def record_failure(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    name = credentials.get("username") or credentials.get(users.name_field(), "")
    record_failed(request, name)


def record_failed(
    request: HttpRequest | None, username: str, *, is_throttled: bool = False
) -> None:
    """Record a failed sign-in. Of the username only the account that has it is kept.

    People sometimes type their password in its place.
    """
    user = users.manager().filter(**{users.name_field(): username}).first()
    command = RecordFailedSignIn(
        user_id=user.pk if user else 0,
        username=user.get_username() if user else "",
        tenant=actor_for_user(user).home_tenant() if user else "",
        is_throttled=is_throttled,
    )
    _record(command, request, None)


def record_failed_change(request: HttpRequest, *, is_throttled: bool = False) -> None:
    """Record a wrong old password of the signed-in user."""
    user: Any = request.user
    _record(RecordFailedPasswordChange(user_id=user.pk, is_throttled=is_throttled), request, user)


def record_failed_confirmation(request: HttpRequest, *, is_throttled: bool = False) -> None:
    """Record a wrong password that the signed-in user gave to confirm something."""
    user: Any = request.user
    _record(RecordFailedConfirmation(user_id=user.pk, is_throttled=is_throttled), request, user)


def record_begun(request: HttpRequest, user: Any) -> None:
    """Record that a person gave the right password, before the second factor."""
    _record(BeginSignIn(user_id=user.pk), request, user)


def record_throttled_factor(request: HttpRequest, user: Any) -> None:
    """Record that a person whose password was right gave too many wrong codes or passkeys."""
    _record(RecordThrottledSecondFactor(user_id=user.pk), request, user)


def send(command: Command, *, request: HttpRequest, user: Any) -> Any:
    """Dispatch a command of a person who may not be signed in yet, and return its outcome."""
    context = context_of(request, channel=_CHANNEL, actor=actor_for_user(user))
    return dispatch(command, context=context)


def _record(command: Command, request: HttpRequest | None, user: Any) -> None:
    # Django's test client signs in without a request.
    if request is not None and request.method is not None:
        actor = actor_for_user(user) if user else SYSTEM
        context = context_of(request, channel=_CHANNEL, actor=actor)
        # The bus opens a transaction of its own.
        if connection.in_atomic_block:
            transaction.on_commit(partial(dispatch, command, context=context))
        else:
            dispatch(command, context=context)
