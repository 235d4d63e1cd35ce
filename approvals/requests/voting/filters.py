"""Query conditions for the approvers of a request, by the same rules as votes.

What depends on the approver alone is read first, by one prepared statement, so the conditions
contain its result instead of subqueries, whose planning would take longer than all the rest. They
decide by an index about nearly all requests, and read the requirements of the others. What a
statement cannot evaluate, such as a condition of a policy, makes a request doubtful.
"""

import json
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.fields.json import DataContains, KeyTransform
from django.db.models.functions import Cast, Coalesce, JSONArray, JSONObject
from django.db.models.lookups import Exact

from approvals.models import ApprovalRequest, Vote
from approvals.people.events import MemberJoined, MemberLeft
from approvals.policies import built_in
from approvals.requests.voting.approver import Approver, TodaysPolicy, stored_names
from approvals.requests.voting.arrays import IsAnyOf
from audit.models.records import EventRecord

_NONE = models.Q(pk__in=())
_ZERO = models.Value(0, models.JSONField())
_TEXTS = ArrayField(models.TextField())


class _ContainsAny(models.Func):
    """The condition that a JSON value contains any of an array of others."""

    template = "(%(expressions)s))"
    arg_joiner = " @> ANY ("
    output_field = models.BooleanField()


class _SecondsSince(models.Func):
    """The seconds since a time, as a JSON number."""

    template = "to_jsonb(extract(epoch FROM statement_timestamp() - %(expressions)s))"
    output_field = models.JSONField()


class _PolicyNotStored(models.Func):
    """The condition that one of some policies governs a request and is not among its requirements.

    A policy among them has set its rules and options there, in the same version. The arguments are
    the type, the tenant and the policies of the request; and the types, tenants and entries of the
    policies, as arrays.
    """

    template = """EXISTS (
        SELECT FROM (SELECT %(expressions)s)
                AS held (type, tenant, stored, types, tenants, entries),
            unnest(held.types, held.tenants, held.entries) AS policy (type, tenant, entry)
        WHERE policy.type = held.type AND policy.tenant IN ('', held.tenant)
            AND NOT held.stored @> policy.entry::jsonb
    )"""
    output_field = models.BooleanField()


def asks_group_of(approver: Approver) -> models.Q:
    """Match requests for votes of a group that the person belongs to, or may be by a new policy."""
    groups = {*approver.groups, *approver.delegated}
    is_asked = _is_listed_for(groups) | _unlisted(_is_in_rules(groups))
    return is_asked | _may_ask_today(approver)


def asks(approver: Approver) -> models.Q:
    """Match requests that need the person's vote, or may need it."""
    if not approver.may_vote:
        return _NONE
    of_others = ~models.Q(requester_person=str(approver.person_id))
    may_be_own = models.Q(requirements__options__requester_may_vote=True)
    has_not_voted = models.Q(voters=None) | ~_has_voted(approver)
    listed = _is_listed_for({*approver.groups, *approver.delegated})
    in_rules = _is_in_rules_long_enough(approver) | _is_in_rules(approver.delegated)
    is_asked = listed | _pending_unlisted(approver, in_rules) | _may_ask_today(approver)
    is_open_to_person = of_others | _pending_unlisted(approver, may_be_own)
    # Most requests of other groups are left out before any requirements are read.
    return _may_be_asked(approver) & has_not_voted & is_open_to_person & is_asked


def certainly_asks(approver: Approver) -> models.Q:
    """Match those of the requests of `asks` that certainly need the person's vote."""
    if not approver.may_vote:
        return _NONE
    of_others = ~models.Q(requester_person=str(approver.person_id))
    has_not_voted = models.Q(voters__isnull=False) & ~_has_voted(approver)
    in_rules = _pending_unlisted(approver, _is_in_rules_long_enough(approver))
    is_asked = _is_listed_for(approver.groups) | in_rules
    is_settled = ~_may_be_taken(approver) & ~_is_governed_later(approver.delaying)
    return has_not_voted & of_others & is_asked & is_settled


def may_ask(approver: Approver) -> models.Q:
    """Match requests that may need the person's vote, by the columns of the index."""
    if not approver.may_vote:
        return _NONE
    is_of_others = ~models.Q(requester_person=str(approver.person_id))
    has_not_voted = models.Q(voters=None) | ~_has_voted(approver)
    is_open_to_person = _is_pending_unlisted(approver) | is_of_others
    return has_not_voted & is_open_to_person & _may_be_asked(approver)


def _may_be_asked(approver: Approver) -> models.Q:
    """Match requests that ask a group of the person, or may do so by a policy of today."""
    listed = _is_listed_for({*approver.groups, *approver.delegated})
    today = _is_governed(approver.asking) | _is_guarded(approver)
    return listed | today | _is_pending_unlisted(approver)


def _is_pending_unlisted(approver: Approver) -> models.Q:
    return models.Q(approver_groups=None) if approver.any_unlisted else _NONE


def _has_voted(approver: Approver) -> models.Q:
    """Match requests that list the person as a voter: unknown for those without a list."""
    person = models.Value(approver.person_id, models.IntegerField())
    return models.Q(IsAnyOf(person, "voters"))


def _may_be_taken(approver: Approver) -> models.Q:
    """Match requests on which a delegate has voted in the person's place."""
    if not approver.was_represented:
        return _NONE
    taking = Vote.objects.filter(delegator=approver.person_id, request=models.OuterRef("pk"))
    return models.Q(models.Exists(taking))


def _by_requirements(condition: models.Q) -> models.Q:
    """Match by a condition on the requirements, which are not in the index: each row is read."""
    row = ApprovalRequest.objects.filter(pk=models.OuterRef("pk"))
    is_met = models.Case(models.When(condition, then=True), default=False)
    return models.Q(models.Subquery(row.annotate(is_met=is_met).values("is_met")))


def _unlisted(condition: models.Q) -> models.Q:
    """Match by the requirements those requests that do not list the groups of their approvers."""
    return models.Q(approver_groups=None) & _by_requirements(condition)


def _pending_unlisted(approver: Approver, condition: models.Q) -> models.Q:
    """Match those of them that are pending: usually there are none."""
    return _unlisted(condition) if approver.any_unlisted else _NONE


def _is_listed_for(groups: Collection[int]) -> models.Q:
    return models.Q(approver_groups__overlap=sorted(groups)) if groups else _NONE


def _is_in_rules(groups: Collection[int]) -> models.Q:
    """Match requirements with a rule for one of the groups."""
    if not groups:
        return _NONE
    wanted = [json.dumps([{"group_id": each}]) for each in sorted(groups)]
    rules = Cast(models.Value(wanted, _TEXTS), ArrayField(models.JSONField()))
    return models.Q(_ContainsAny(KeyTransform("rules", "requirements"), rules))


def _is_in_rules_long_enough(approver: Approver) -> models.Q:
    """Match requirements with a rule for a group that the person joined early enough."""
    options = KeyTransform("options", "requirements")
    minimum = Coalesce(KeyTransform("minimum_membership_s", options), _ZERO)
    any_time_will_do = models.Q(Exact(minimum, _ZERO))
    in_time = any_time_will_do | models.Q(models.Exists(_joined_in_time(approver)))
    return _is_in_rules(approver.groups) & in_time


def _may_ask_today(approver: Approver) -> models.Q:
    """Match requests for which a policy of today, if its condition is met, adds a group."""
    is_stored = models.Q(requirements__policies__contains=[{"id": built_in.BUILT_IN_ID}])
    guarded = _is_guarded(approver)
    by_built_in = guarded & _by_requirements(~is_stored) if approver.is_owner else _NONE
    return _is_governed_later(approver.asking) | by_built_in


def _is_guarded(approver: Approver) -> models.Q:
    """Match requests for which the built-in policy asks the person, if the person is an owner."""
    return models.Q(message_type__in=_guarded_names()) if approver.is_owner else _NONE


def _is_governed(policies: Iterable[TodaysPolicy]) -> models.Q:
    """Match requests by their types: today's policies govern few of them."""
    return models.Q(message_type__in={name for each in policies for name in each.types})


def _is_governed_later(policies: Iterable[TodaysPolicy]) -> models.Q:
    """Match requests that one of the policies governs and that have not stored it."""
    rows = [(name, each.tenant, each.entry) for each in policies for name in each.types]
    if not rows:
        return _NONE
    of_policies = (models.Value(list(each), _TEXTS) for each in zip(*rows, strict=True))
    stored = KeyTransform("policies", "requirements")
    not_stored = _PolicyNotStored(
        "message_type", "tenant", stored, *(Cast(each, _TEXTS) for each in of_policies)
    )
    is_governed = models.Q(message_type__in={name for name, *_ in rows})
    return is_governed & _by_requirements(models.Q(not_stored))


@cache
def _guarded_names() -> list[str]:
    return stored_names(built_in.guarded_classes())


def _joined_in_time(approver: Approver) -> models.QuerySet[Any]:
    """Return the groups of a request's rules that the person joined early enough for it."""
    requirements = models.OuterRef("requirements")
    minimum_s = KeyTransform("minimum_membership_s", KeyTransform("options", requirements))
    newest = EventRecord.objects.filter(
        subject_type="group",
        subject_id=Cast(models.OuterRef("pk"), models.TextField()),
        message_type__in=(MemberJoined.message_type, MemberLeft.message_type),
        data__user_id=approver.person_id,
    ).order_by("-number")
    has_joined = models.When(message_type=MemberJoined.message_type, then="occurred_at")
    joined_at = models.Subquery(newest.annotate(at=models.Case(has_joined)).values("at")[:1])
    groups: models.QuerySet[Any] = (
        Group.objects.filter(pk__in=approver.groups)
        .annotate(
            as_rule=JSONArray(JSONObject(group_id="pk")),
            member_s=_SecondsSince(joined_at),
        )
        .filter(
            DataContains(KeyTransform("rules", requirements), models.F("as_rule")),
            # A comparison of JSON values fails for no value, as a cast of a forged one would.
            member_s__gte=minimum_s,
        )
    )
    return groups
