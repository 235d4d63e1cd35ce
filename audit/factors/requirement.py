"""The people who need a second factor to sign in, and the sessions that have one.

A session without it counts as not signed in, wherever and whenever it began. So nothing depends on
the page on which a person signs in.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth.middleware import get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from django.utils.module_loading import import_string

from audit.factors.models import Authenticator
from audit.factors.passkeys import passkeys
from audit.installation.settings import countersign

OFF, APPROVERS, EVERYONE = "off", "approvers", "everyone"
#: The keys of the session with the ids of the authenticator app and the passkey that were used.
VERIFIED = "authenticator"
VERIFIED_BY_PASSKEY = "passkey"


def is_on() -> bool:
    """Return True if second factors are used at all."""
    return countersign().second_factor != OFF


def is_required_of(user: Any) -> bool:
    """Return True if a person must have a second factor.

    Apps declare who decides on approvals: ``must_have_second_factor`` of an AppConfig names
    functions that return True for the id of such a user.
    """
    match countersign().second_factor:
        case "everyone":
            return True
        case "approvers":
            return any(import_string(each)(user.pk) for each in _rules())
        case _:
            return False


def has_app(user_id: int) -> bool:
    """Return True if second factors are used, and a person has set up an authenticator app."""
    return is_on() and Authenticator.of(user_id) is not None


def has_any(user_id: int) -> bool:
    """Return True if a person has an authenticator app or a passkey."""
    return Authenticator.of(user_id) is not None or passkeys().has(user_id)


def has_factor(user_id: int) -> bool:
    """Return True if second factors are used, and a person has one."""
    return is_on() and has_any(user_id)


def is_asked_of(user: Any) -> bool:
    """Return True if a person signs in with a second factor: it is required, or was set up."""
    return has_factor(user.pk) or is_required_of(user)


def verified_user(request: HttpRequest) -> Any:
    """Return the user of the session; the anonymous user if the second factor is missing."""
    user = get_user(request)
    if not user.is_authenticated or not is_on():
        return user
    app, passkey = (request.session.get(each) for each in (VERIFIED, VERIFIED_BY_PASSKEY))
    if app is not None and Authenticator.objects.filter(pk=app, user=user.pk).exists():
        return user
    if passkey is not None and passkeys().is_current(passkey, user_id=user.pk):
        return user
    has_ended = app is not None or passkey is not None
    return AnonymousUser() if has_ended or is_asked_of(user) else user


def _rules() -> Iterator[str]:
    for app in apps.get_app_configs():
        yield from getattr(app, "must_have_second_factor", ())
