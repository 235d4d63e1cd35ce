"""Queries for the API keys that a caller may see."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from rest_framework import serializers

from apikeys.models import ApiKey, Environment, State
from apikeys.rest.resources import ApiKeyResource
from audit.domain import Actor
from audit.rest import Key, ListQuery, Order, TimeField, WholeNumberField

_CREATED = (Key("created_at", datetime), Key("pk", UUID))
_NAMED = (Key("name", str), Key("pk", UUID))
_LONGEST_SCOPE = 100
_PRESENT = Q(deleted_at__isnull=True)
_EXPIRED = Q(expires_at__lte=Now())
_EARLY = Q(not_before__gt=Now())
_SWITCHED_ON = _PRESENT & Q(is_enabled=True)
# The same as ApiKey.state_at(), in its order. A comparison with NULL is never true, so every
# nullable column is checked for NULL explicitly.
_IN_STATE = {
    State.DELETED: ~_PRESENT,
    State.DISABLED: _PRESENT & Q(is_enabled=False),
    State.EXPIRED: _SWITCHED_ON & _EXPIRED,
    # A key that is not valid yet cannot have expired: a constraint orders the two times.
    State.NOT_YET_VALID: _SWITCHED_ON & _EARLY,
    State.ENABLED: _SWITCHED_ON
    & (Q(expires_at__isnull=True) | Q(expires_at__gt=Now()))
    & (Q(not_before__isnull=True) | Q(not_before__lte=Now())),
}


class ApiKeyListQuery(ListQuery):
    """Query parameters of the list of keys."""

    resource_fields = tuple(ApiKeyResource.__annotations__)
    orders = (
        Order("-created_at", *_CREATED),
        Order("created_at", *_CREATED, is_ascending=True),
        Order("name", *_NAMED, is_ascending=True),
        Order("-name", *_NAMED),
    )

    state = serializers.ChoiceField(
        choices=State.values,
        required=False,
        help_text="Deleted keys are listed only with this filter.",
    )
    environment = serializers.ChoiceField(choices=Environment.values, required=False)
    owner = WholeNumberField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="The id of a user."
    )
    scope = serializers.CharField(
        required=False, max_length=_LONGEST_SCOPE, help_text="Keys with exactly this scope."
    )
    search = serializers.CharField(
        required=False, max_length=100, help_text="Part of the name, case-insensitive."
    )
    created_after = TimeField(required=False)
    created_before = TimeField(required=False)
    last_used_after = TimeField(required=False)
    last_used_before = TimeField(required=False, help_text="Excludes keys that were never used.")


def visible_to(actor: Actor) -> QuerySet[ApiKey]:
    """Return the keys of the customers that the caller acts for, including deleted ones.

    :raises Forbidden: if the caller may not see keys at all.
    """
    actor.require("apikeys.view_apikey")
    return actor.confine(ApiKey.objects.all(), "customer_id")


def found_by(query: dict[str, Any], *, actor: Actor) -> QuerySet[ApiKey]:
    """Return the visible keys that match a validated query; deleted ones only on request."""
    keys = visible_to(actor).filter(_IN_STATE[query["state"]] if "state" in query else _PRESENT)
    if "scope" in query:
        keys = keys.filter(scopes__contains=[query["scope"]])
    return keys.filter(**{_LOOKUPS[name]: query[name] for name in query.keys() & _LOOKUPS.keys()})


_LOOKUPS = {
    "environment": "environment",
    "owner": "owner_id",
    "search": "name__icontains",
    "created_after": "created_at__gt",
    "created_before": "created_at__lt",
    "last_used_after": "usage__last_used_at__gt",
    "last_used_before": "usage__last_used_at__lt",
}
