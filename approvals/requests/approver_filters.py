"""Query conditions for the approvers of a request, by the same rules as votes.

One statement counts the requests that wait for a person, so every page can show the number. It
decides by an index about nearly all of them, and reads the requirements of the others. What a
statement cannot evaluate, such as a condition of a policy, makes a request doubtful.
"""

from functools import cache
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.fields.json import DataContains, KeyTransform
from django.db.models.functions import Cast, Coalesce, JSONArray, JSONObject, Now
from django.db.models.lookups import Exact

from approvals.models import ApprovalRequest, Delegation, Effect, Vote
from approvals.models.eligibility import can_sign_in
from approvals.models.managers import array_of_names
from approvals.people.accounts import OWNERS
from approvals.people.events import MemberJoined, MemberLeft
from approvals.policies import built_in
from approvals.policies.evaluation import names_governing
from approvals.requests.evaluated import IsAnyOf
from audit.bus.handling import command_classes
from audit.installation import users
from audit.messages.classes import Command
from audit.models.records import EventRecord

_AS_RULE = JSONArray(JSONObject(group_id="pk"))
_INTEGER = models.IntegerField()
_TEXTS = ArrayField(models.TextField())
_ZERO = models.Value(0, models.JSONField())


class _ContainsAny(models.Func):
    """The condition that a JSON value contains any of an array of others."""

    template = "(%(expressions)s))"
    arg_joiner = " @> ANY ("
    output_field = models.BooleanField()


class _SecondsSince(models.Func):
    """The seconds since a time, as a JSON number."""

    template = "to_jsonb(extract(epoch FROM statement_timestamp() - %(expressions)s))"
    output_field = models.JSONField()


class _Names(models.Func):
    """The names under which policies govern a type of command that has no aliases."""

    template = """(
        SELECT ARRAY[type, regexp_replace(type, '[^.]*$', '*'), '*']
        FROM (SELECT %(expressions)s) AS held (type)
    )"""
    output_field = ArrayField(models.TextField())


class _TypesGoverned(models.Func):
    """The types of commands that an enabled policy governs, as an array.

    The arguments are every type, once for each name that governs it; these names; and a person.
    """

    template = f"""ARRAY (
        SELECT command.type
        FROM (SELECT %(expressions)s) AS held (types, names, person_id),
            unnest(held.types, held.names) AS command (type, name)
        JOIN approvals_policy AS policy ON policy.governs = command.name
        WHERE policy.is_enabled AND policy.effect = '{Effect.REQUIRE_APPROVAL.value}'
            AND %(matters)s
    )"""  # noqa: S608  # of our own names
    output_field = ArrayField(models.TextField())


class _PolicyNotStored(models.Func):
    """The condition that an enabled policy governs a request and is not among its requirements.

    A policy among them has set its rules and options there, in the same version. The arguments are
    the names that may govern the request, its tenant, its policies, and a person.
    """

    template = f"""EXISTS (
        SELECT FROM (SELECT %(expressions)s) AS held (names, tenant, policies, person_id),
            approvals_policy AS policy
        WHERE policy.governs = ANY(held.names) AND policy.tenant IN ('', held.tenant)
            AND policy.is_enabled AND policy.effect = '{Effect.REQUIRE_APPROVAL.value}'
            AND NOT held.policies @> jsonb_build_array(
                jsonb_build_object('id', policy.id, 'version', policy.version))
            AND %(matters)s
    )"""
    output_field = models.BooleanField()


_ASKS_FOR_SENIORITY = "policy.minimum_membership > interval '0'"


def asks_group_of(person_id: int) -> models.Q:
    """Match requests for votes of a group that the person belongs to, or may be by a new policy."""
    is_asked = _is_listed_for(person_id) | _unlisted(_is_in_rules(person_id))
    return is_asked | _may_ask_delegate(person_id) | _may_ask_today(person_id)


def asks(person_id: int) -> models.Q:
    """Match requests that need the person's vote, or may need it."""
    of_others = ~models.Q(requester_person=str(person_id))
    may_be_own = _unlisted(models.Q(requirements__options__requester_may_vote=True))
    has_not_voted = models.Q(voters=None) | ~models.Q(voters__contains=[person_id])
    by_delegation = _may_ask_delegate(person_id)
    is_asked = _asks_by_stored_rules(person_id) | by_delegation | _may_ask_today(person_id)
    return _can_vote(person_id) & has_not_voted & (of_others | may_be_own) & is_asked


def certainly_asks(person_id: int) -> models.Q:
    """Match those of the requests of `asks` that certainly need the person's vote."""
    of_others = ~models.Q(requester_person=str(person_id))
    has_not_voted = models.Q(voters__isnull=False) & ~models.Q(voters__contains=[person_id])
    later = _is_governed_later(person_id, matters=_ASKS_FOR_SENIORITY)
    is_asked = _asks_by_stored_rules(person_id) & ~_may_be_taken(person_id)
    return _can_vote(person_id) & has_not_voted & of_others & is_asked & ~later


def may_ask(person_id: int) -> models.Q:
    """Match requests that may need the person's vote, by the columns of the index."""
    is_of_others = models.Q(approver_groups=None) | ~models.Q(requester_person=str(person_id))
    has_not_voted = models.Q(voters=None) | ~models.Q(voters__contains=[person_id])
    today = _is_governed(person_id, matters=_asks_person())
    listed = _is_listed_for(person_id) | _is_listed_for_delegate(person_id)
    is_asked = models.Q(approver_groups=None) | listed | today | _is_guarded(person_id)
    return _can_vote(person_id) & has_not_voted & is_of_others & is_asked


def _can_vote(person_id: int) -> models.Q:
    """Match every request, or none: it is evaluated once, before any request is read."""
    # Most people belong to no group.
    belongs_to_any = models.Exists(_groups(person_id)) | models.Exists(_delegations(person_id))
    is_able = models.Exists(users.manager().filter(can_sign_in(), pk=person_id))
    return models.Q(belongs_to_any) & models.Q(is_able)


def _may_be_taken(person_id: int) -> models.Q:
    """Match requests on which a delegate has voted in the person's place."""
    taking = Vote.objects.filter(delegator=person_id)
    # The first is evaluated once: most people have never had a delegate.
    any_taken = models.Q(models.Exists(taking))
    return any_taken & models.Q(models.Exists(taking.filter(request=models.OuterRef("pk"))))


def _may_ask_delegate(person_id: int) -> models.Q:
    """Match requests for votes of a group for which the person may be a delegate."""
    wanted = ArraySubquery(_delegated_groups(person_id).values("as_rule"))
    is_in_rules = models.Q(_ContainsAny(KeyTransform("rules", "requirements"), wanted))
    return _is_listed_for_delegate(person_id) | _unlisted(is_in_rules)


def _is_listed_for_delegate(person_id: int) -> models.Q:
    groups = ArraySubquery(_delegated_groups(person_id).values("pk"))
    return models.Q(approver_groups__overlap=groups)


def _by_requirements(condition: models.Q) -> models.Q:
    """Match by a condition on the requirements, which are not in the index: each row is read."""
    row = ApprovalRequest.objects.filter(pk=models.OuterRef("pk"))
    is_met = models.Case(models.When(condition, then=True), default=False)
    return models.Q(models.Subquery(row.annotate(is_met=is_met).values("is_met")))


def _unlisted(condition: models.Q) -> models.Q:
    """Match by the requirements those requests that do not list the groups of their approvers."""
    return models.Q(approver_groups=None) & _by_requirements(condition)


def _is_listed_for(person_id: int) -> models.Q:
    # An array, because it is computed once instead of for each of 10,000 pending requests.
    return models.Q(approver_groups__overlap=ArraySubquery(_groups(person_id).values("pk")))


def _is_in_rules(person_id: int) -> models.Q:
    wanted = ArraySubquery(_groups(person_id).values("as_rule"))
    return models.Q(_ContainsAny(KeyTransform("rules", "requirements"), wanted))


def _asks_by_stored_rules(person_id: int) -> models.Q:
    """Match requests for votes of a group that the person has belonged to for long enough."""
    options = KeyTransform("options", "requirements")
    minimum = Coalesce(KeyTransform("minimum_membership_s", options), _ZERO)
    any_time_will_do = models.Q(Exact(minimum, _ZERO))
    in_time = any_time_will_do | models.Q(models.Exists(_joined_in_time(person_id)))
    return _is_listed_for(person_id) | _unlisted(_is_in_rules(person_id) & in_time)


def _may_ask_today(person_id: int) -> models.Q:
    """Match requests for which a policy of today, if its condition is met, adds a group."""
    by_policy = _is_governed_later(person_id, matters=_asks_person())
    is_stored = models.Q(requirements__policies__contains=[{"id": built_in.BUILT_IN_ID}])
    return by_policy | (_is_guarded(person_id) & _by_requirements(~is_stored))


def _is_guarded(person_id: int) -> models.Q:
    """Match requests for which the built-in policy asks the person, if the person is an owner."""
    own, delegated = _groups(person_id), _delegated_groups(person_id)
    is_owner = models.Q(models.Exists(own.filter(name=OWNERS)))
    is_owner |= models.Q(models.Exists(delegated.filter(name=OWNERS)))
    return is_owner & models.Q(message_type__in=_guarded_names())


def _is_governed_later(person_id: int, *, matters: str) -> models.Q:
    """Match requests that a policy of today governs and that have not stored it."""
    not_stored = models.Q(_policy_not_stored(person_id, matters=matters))
    return _is_governed(person_id, matters=matters) & _by_requirements(not_stored)


def _is_governed(person_id: int, *, matters: str) -> models.Q:
    person = models.Value(person_id, models.IntegerField())
    # Computed once: today's policies govern few of the types.
    types = _TypesGoverned(*_types_by_name(), person, matters=matters)
    return models.Q(IsAnyOf("message_type", types))


def _policy_not_stored(person_id: int, *, matters: str) -> _PolicyNotStored:
    of_renamed = [
        models.When(
            message_type__in=_stored_names(each),
            then=models.Value(names_governing(each), ArrayField(models.TextField())),
        )
        for each in _renamed_classes()
    ]
    names = models.Case(*of_renamed, default=_Names("message_type"))
    policies = KeyTransform("policies", "requirements")
    person = models.Value(person_id, models.IntegerField())
    return _PolicyNotStored(names, "tenant", policies, person, matters=matters)


def _asks_person() -> str:
    names = users.tables()
    return f"""(EXISTS (
        SELECT FROM approvals_rule AS rule JOIN {names.of_groups} AS belonging USING (group_id)
        WHERE rule.policy_id = policy.id AND NOT is_dropped
            AND belonging.{names.of_groups_user} = held.person_id
    ) OR EXISTS (
        SELECT FROM approvals_rule AS rule, approvals_delegation AS delegation
        WHERE rule.policy_id = policy.id AND NOT is_dropped
            AND delegation.delegate_id = held.person_id AND rule.group_id = ANY(delegation.groups)
            AND delegation.ends_at > statement_timestamp()
    ))"""  # noqa: S608  # the names are those of models


@cache
def _guarded_names() -> list[str]:
    return [name for each in built_in.guarded_classes() for name in _stored_names(each)]


@cache
def _types_by_name() -> tuple[Cast, Cast]:
    """Return the stored names of all types, each with the names that govern it, as two arrays."""
    pairs = [
        (stored, name)
        for each in command_classes()
        for stored in _stored_names(each)
        for name in names_governing(each)
    ]
    types, names = (models.Value(array_of_names(each)) for each in zip(*pairs, strict=True))
    return Cast(types, _TEXTS), Cast(names, _TEXTS)


@cache
def _renamed_classes() -> list[type[Command]]:
    return [each for each in command_classes() if each.aliases]


def _stored_names(command_class: Any) -> list[str]:
    """Return the names under which requests store a type of command."""
    return [command_class.message_type, *command_class.aliases]


def _groups(person_id: int) -> models.QuerySet[Any]:
    return Group.objects.filter(user=person_id).annotate(as_rule=_AS_RULE)


def _delegations(person_id: int) -> models.QuerySet[Any]:
    """Return the delegations to a person; one that was ended early may be among them."""
    return Delegation.objects.filter(delegate=person_id, ends_at__gt=Now())


def _delegated_groups(person_id: int) -> models.QuerySet[Any]:
    """Return the groups for which the person may be a delegate."""
    groups = models.Func(models.F("groups"), function="unnest", output_field=_INTEGER)
    of_delegators = _delegations(person_id).annotate(group=groups).values("group")
    return Group.objects.filter(pk__in=of_delegators).annotate(as_rule=_AS_RULE)


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
