"""System checks of second factors: the setting, and what it needs."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.urls import NoReverseMatch, reverse

from audit.factors.requirement import APPROVERS, EVERYONE, OFF, is_on
from audit.installation.settings import countersign

_MIDDLEWARE = "audit.factors.middleware.SecondFactorMiddleware"
_BEFORE = "django.contrib.auth.middleware.AuthenticationMiddleware"


@register()
def check_second_factor(**_: Any) -> list[CheckMessage]:
    """Check the setting, and that the middleware and the pages that it needs are in place."""
    value = countersign().second_factor
    known = (OFF, APPROVERS, EVERYONE)
    if value not in known:
        message = (
            f"SECOND_FACTOR of COUNTERSIGN has an unknown value. Set one of: {', '.join(known)}."
        )
        return [Error(message, id="countersign.E010")]
    if not is_on():
        return _pages() if countersign().step_up_after else []
    return [*_middleware(), *_pages()]


def _middleware() -> list[CheckMessage]:
    names = list(settings.MIDDLEWARE)
    is_in_place = _MIDDLEWARE in names and _BEFORE in names[: names.index(_MIDDLEWARE)]
    hint = f"Add {_MIDDLEWARE} to MIDDLEWARE, directly after {_BEFORE}."
    message = "SECOND_FACTOR has no effect without its middleware."
    return [] if is_in_place else [Error(message, hint=hint, id="countersign.E011")]


def _pages() -> list[CheckMessage]:
    try:
        reverse("second-step")
    except NoReverseMatch:
        hint = 'Add path("", include("audit.sessions.urls")) before the admin\'s URLs.'
        message = "SECOND_FACTOR and STEP_UP_AFTER need pages that are not among the URLs."
        return [Error(message, hint=hint, id="countersign.E012")]
    return []
