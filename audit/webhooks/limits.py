"""Limits on the fields of webhook endpoints."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from audit.messages.exceptions import FieldError, Invalid
from audit.webhooks import destinations

CHANGEABLE = ("destination", "description", "event_types", "payload")
LONGEST_TENANT = 100
LONGEST_DESCRIPTION = 200
LONGEST_EVENT_TYPE = 200
MOST_EVENT_TYPES = 50
LONGEST_OVERLAP_SECONDS = 7 * 24 * 60 * 60
EVENT_TYPE = r"(\*|[a-z_]+(\.[a-z_]+)*(\.\*)?)"
_EVENT_TYPE = re.compile(EVENT_TYPE)


def check_endpoint(values: Mapping[str, Any]) -> None:
    """Check the given fields of an endpoint.

    :raises Invalid: if one is malformed or too long.
    """
    if "destination" in values:
        destinations.check(values["destination"])
    if len(values.get("description", "")) > LONGEST_DESCRIPTION:
        raise _invalid("description", f"must have at most {LONGEST_DESCRIPTION} characters")
    if "event_types" in values:
        _check_event_types(values["event_types"])


def check_tenant(tenant: str) -> None:
    """Check the tenant of an endpoint.

    :raises Invalid: if it is empty or too long, or has control characters.
    """
    if not (tenant.isprintable() and 1 <= len(tenant) <= LONGEST_TENANT):
        message = f"must have 1 to {LONGEST_TENANT} visible characters; * stands for all"
        raise _invalid("tenant", message)


def check_overlap(seconds: int) -> None:
    """Check the overlap of a rotation.

    :raises Invalid: if it is negative or longer than seven days.
    """
    if not 0 <= seconds <= LONGEST_OVERLAP_SECONDS:
        message = f"must be between 0 and {LONGEST_OVERLAP_SECONDS} seconds, which are seven days"
        raise _invalid("overlap_seconds", message)


def _check_event_types(event_types: Sequence[str]) -> None:
    if not 1 <= len(event_types) <= MOST_EVENT_TYPES:
        raise _invalid("event_types", f"must have 1 to {MOST_EVENT_TYPES} types")
    for place, each in enumerate(event_types):
        if len(each) > LONGEST_EVENT_TYPE or not _EVENT_TYPE.fullmatch(each):
            message = "must be an event type, a beginning such as apikeys.*, or *"
            raise _invalid(f"event_types/{place}", message)


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(errors=[FieldError(field, "invalid", message)])
