"""Policies, and the rules of those that require approval."""

import json
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any, ClassVar, Self, TypeVar

from django.contrib.auth.models import Group
from django.db import models
from uuid_utils.compat import uuid7

from audit.messages.exceptions import Conflict
from audit.subjects.types import subject
from audit.tracking.history import HistoricalRecords
from audit.wire import pipeline, rows
from audit.wire.arrays import array
from audit.wire.statements import Statement

_Policy = TypeVar("_Policy", bound=models.Model)

#: An SQL expression: true if an enabled policy governs one of the names in its parameter, an array.
IS_GOVERNED = "EXISTS (SELECT FROM approvals_policy WHERE governs = ANY(%s) AND is_enabled)"


class AlreadyDisabled(Conflict):
    """The policy is already disabled."""

    remedy = "No action is needed."


@cache
def array_of_names(names: tuple[str, ...]) -> str:
    """Return the parameter of `IS_GOVERNED`: psycopg takes 8 µs to write a list of three."""
    return array(names)


class PolicyManager(models.Manager[_Policy]):
    """The policies."""

    def governing(self, names: Sequence[str], *, tenant: str) -> list[_Policy]:
        """Return the enabled policies on one of the names, with their rules as `current_rules`.

        One statement reads both, so that each policy and its rules are of one version. It is
        written in SQL because every held command needs it, and because the ORM takes four times as
        long to compile it as PostgreSQL takes to execute it.
        """
        policies = []
        for current_rules, *values in pipeline.execute(
            _governing(self.model), [list(names), ["", tenant]]
        ):
            policy: Any = rows.loaded(self.model, values)
            policy.current_rules = json.loads(current_rules)
            policies.append(policy)
        return policies


@cache
def _governing(model: type[models.Model]) -> Statement:
    return Statement(f"""
        SELECT (
            SELECT coalesce(jsonb_agg(jsonb_build_object('id', rule.id, 'group_id', group_id,
                'group', grp.name, 'quorum', quorum) ORDER BY rule.id), '[]')::text
            FROM approvals_rule AS rule JOIN auth_group AS grp ON grp.id = group_id
            WHERE policy_id = policy.id AND NOT is_dropped
        ), {rows.columns(model, of="policy")}
        FROM approvals_policy AS policy
        WHERE governs = ANY(%s) AND is_enabled AND tenant = ANY(%s) ORDER BY policy.id
    """)  # noqa: S608  # of the names of our own columns


class Effect(models.TextChoices):
    """The effect of a policy on the commands that it governs, the strictest last."""

    ALLOW = "allow"
    REQUIRE_APPROVAL = "require_approval"
    FORBID = "forbid"


@subject("policy", route="policy")
class Policy(models.Model):
    """The treatment of commands of one type, or of all types with a prefix.

    ``governs`` is a message type or a prefix such as ``apikeys.*``; ``condition`` is CEL, and an
    empty one is always met. The durations start with the request.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    governs = models.CharField(max_length=200)
    tenant = models.TextField(blank=True)
    condition = models.TextField(blank=True)
    effect = models.CharField(max_length=20, choices=Effect.choices)
    message = models.TextField(blank=True)
    requester_may_vote = models.BooleanField(default=False)
    requester_reason_required = models.BooleanField(default=False)
    approver_reason_required = models.BooleanField(default=False)
    minimum_membership = models.DurationField(default=timedelta)
    approve_within = models.DurationField(null=True)
    execute_within = models.DurationField(null=True)
    one_open_request = models.BooleanField(default=True)
    is_enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar[PolicyManager[Self]] = PolicyManager()
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "policies"
        default_permissions = ("view",)
        permissions = (
            ("manage_policy", "Can create, change and disable policies"),
            ("manage_people", "Can create and change people and groups, and what they may do"),
            ("break_glass", "Can have a held command carried out without its approvals"),
        )
        indexes = (models.Index(fields=("governs",), name="approvals_policy_governs"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(effect__in=Effect.values), name="approvals_policy_effect_known"
            ),
        )

    def __str__(self) -> str:
        return f"policy on {self.governs}"

    @property
    def options(self) -> dict[str, Any]:
        """The requirements other than the rules, as requests store them."""
        return {
            "requester_may_vote": self.requester_may_vote,
            "requester_reason_required": self.requester_reason_required,
            "approver_reason_required": self.approver_reason_required,
            "one_open_request": self.one_open_request,
            "minimum_membership_s": _seconds(self.minimum_membership),
            "approve_within_s": _seconds(self.approve_within),
            "execute_within_s": _seconds(self.execute_within),
        }

    def present_rules(self) -> list["Rule"]:
        """Return the rules of the current version; an edit drops the earlier ones."""
        return [rule for rule in self.rules.all() if not rule.is_dropped]

    def edit(self, **columns: Any) -> None:
        """Set columns, as the next version."""
        for name, value in columns.items():
            setattr(self, name, value)
        self.version += 1
        self.save()

    def disable(self) -> None:
        """Disable the policy, as the next version.

        :raises AlreadyDisabled: if it is disabled.
        """
        self.check_enabled()
        self.is_enabled, self.version = False, self.version + 1
        self.save(update_fields=["is_enabled", "version"])

    def check_enabled(self) -> None:
        """Check that the policy is enabled.

        :raises AlreadyDisabled: if it is disabled.
        """
        if not self.is_enabled:
            raise AlreadyDisabled


class Rule(models.Model):
    """A group, and the number of its members who have to approve."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="rules")
    group = models.ForeignKey(Group, on_delete=models.PROTECT)
    quorum = models.PositiveSmallIntegerField()
    is_dropped = models.BooleanField(default=False)

    history = HistoricalRecords()

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                condition=models.Q(quorum__gte=1), name="approvals_rule_quorum_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quorum} of {self.group}"

    def drop(self) -> None:
        """Mark the rule as dropped; open requests keep it."""
        self.is_dropped = True
        self.save(update_fields=["is_dropped"])


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration else None
