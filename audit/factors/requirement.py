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
from audit.installation.settings import countersign

OFF, APPROVERS, EVERYONE = "off", "approvers", "everyone"
#: The key of the session with the id of the authenticator app that was used.
VERIFIED = "authenticator"


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


def has_factor(user: Any) -> bool:
    """Return True if second factors are used, and a person has set one up."""
    return is_on() and Authenticator.of(user.pk) is not None


def is_asked_of(user: Any) -> bool:
    """Return True if a person signs in with a second factor: it is required, or was set up."""
    return has_factor(user) or is_required_of(user)


def verified_user(request: HttpRequest) -> Any:
    """Return the user of the session; the anonymous user if the second factor is missing."""
    user = get_user(request)
    if not user.is_authenticated or not is_on():
        return user
    used = request.session.get(VERIFIED)
    if used is not None:
        is_current = Authenticator.objects.filter(pk=used, user=user.pk).exists()
        return user if is_current else AnonymousUser()
    return AnonymousUser() if is_asked_of(user) else user


def _rules() -> Iterator[str]:
    for app in apps.get_app_configs():
        yield from getattr(app, "must_have_second_factor", ())
