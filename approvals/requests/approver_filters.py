"""Query conditions for the approvers of a request, by the same rules as votes.

One statement counts the requests that wait for a person, so every page can show the number.
"""

from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models.fields.json import DataContains, KeyTransform
from django.db.models.functions import Cast, JSONArray, JSONObject

from approvals.models.eligibility import CAN_SIGN_IN
from approvals.people.events import MemberJoined, MemberLeft
from audit.models.records import EventRecord

_MINIMUM = "requirements__options__minimum_membership_s"


class _ContainsAny(models.Func):
    """The condition that a JSON value contains any of an array of others."""

    template = "(%(expressions)s))"
    arg_joiner = " @> ANY ("
    output_field = models.BooleanField()


class _SecondsSince(models.Func):
    """The seconds since a time, as a JSON number."""

    template = "to_jsonb(extract(epoch FROM statement_timestamp() - %(expressions)s))"
    output_field = models.JSONField()


def asks_group_of(person_id: int) -> models.Q:
    """Match requests for votes of a group that the person belongs to."""
    # An array, because it is computed once instead of for each of 10,000 pending requests.
    wanted = ArraySubquery(_groups(person_id).values("as_rule"))
    return models.Q(_ContainsAny(KeyTransform("rules", "requirements"), wanted))


def asks(person_id: int) -> models.Q:
    """Match requests for votes of a group that the person has belonged to for long enough."""
    any_time_will_do = models.Q(**{f"{_MINIMUM}__isnull": True}) | models.Q(**{_MINIMUM: 0})
    # Evaluated once, before any request is read: most people belong to no group.
    belongs_to_any = models.Q(models.Exists(_groups(person_id)))
    can_sign_in = models.Q(models.Exists(User.objects.filter(CAN_SIGN_IN, pk=person_id)))
    in_time = any_time_will_do | models.Q(models.Exists(_joined_in_time(person_id)))
    return belongs_to_any & can_sign_in & asks_group_of(person_id) & in_time


def _groups(person_id: int) -> models.QuerySet[Any]:
    as_rule = JSONArray(JSONObject(group_id="pk"))
    return Group.objects.filter(user=person_id).annotate(as_rule=as_rule)


def _joined_in_time(person_id: int) -> models.QuerySet[Any]:
    """Return the groups of a request's rules that the person joined early enough for it."""
    requirements = models.OuterRef("requirements")
    minimum_s = KeyTransform("minimum_membership_s", KeyTransform("options", requirements))
    newest = EventRecord.objects.filter(
        subject_type="group",
        subject_id=Cast(models.OuterRef("pk"), models.TextField()),
        message_type__in=(MemberJoined.message_type, MemberLeft.message_type),
        data__user_id=person_id,
    ).order_by("-number")
    groups: models.QuerySet[Any] = (
        _groups(person_id)
        .annotate(
            newest_type=models.Subquery(newest.values("message_type")[:1]),
            newest_at=models.Subquery(newest.values("occurred_at")[:1]),
            member_s=_SecondsSince("newest_at"),
        )
        .filter(
            DataContains(KeyTransform("rules", requirements), models.F("as_rule")),
            newest_type=MemberJoined.message_type,
            # A comparison of JSON values fails for no value, as a cast of a forged one would.
            member_s__gte=minimum_s,
        )
    )
    return groups
