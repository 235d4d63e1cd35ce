"""Policies, and the rules of those that require approval."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from operator import itemgetter
from typing import Any, ClassVar, Self

from django.contrib.auth.models import Group
from django.db import models
from uuid_utils.compat import uuid7

from approvals.models.indexes import CONSTRAINTS_OF_POLICIES
from approvals.models.managers import PolicyManager
from approvals.models.seals import PolicySeal
from audit.messages.characters import quoted
from audit.messages.exceptions import Forbidden
from audit.subjects.types import subject
from audit.tracking.history import HistoricalRecords

#: An SQL expression: true if an enabled policy governs one of the names in its parameter, an array,
#: or a sealed version ever did: the row of that policy may have been altered since.
IS_GOVERNED = """(
    SELECT EXISTS (SELECT FROM approvals_policy WHERE governs = ANY(names) AND is_enabled)
        OR EXISTS (SELECT FROM approvals_policyseal WHERE governs = ANY(names))
    FROM (SELECT %s::text[]) AS given (names))"""


class PolicyAltered(Forbidden):
    """A policy on this command was altered in the database, so the command is refused."""

    title = "Altered policy"
    remedy = "Ask an operator to run manage.py approvals_check, which names the policy."


class Effect(models.TextChoices):
    """The effect of a policy on the commands that it governs, the strictest last."""

    ALLOW = "allow"
    REQUIRE_APPROVAL = "require_approval"
    FORBID = "forbid"


@subject("policy", tenant="tenant", route="countersign:policy")
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
    signed_votes = models.BooleanField(default=False, db_default=False)
    minimum_membership = models.DurationField(default=timedelta)
    approve_within = models.DurationField(null=True)
    execute_within = models.DurationField(null=True)
    one_open_request = models.BooleanField(default=True)
    is_enabled = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)

    objects: ClassVar[PolicyManager[Self]] = PolicyManager()
    history = HistoricalRecords()

    current_rules: Sequence[dict[str, Any]]
    names: Collection[str]

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
            *CONSTRAINTS_OF_POLICIES,
        )

    def __str__(self) -> str:
        return f"policy on {self.governs}"

    # The name of a command type is not text from users.
    subject_label = __str__

    @property
    def options(self) -> dict[str, Any]:
        """The requirements other than the rules, as requests store them."""
        # Policies without it have the content, and the seals, that they had before there was any.
        signed = {"signed_votes": True} if self.signed_votes else {}
        return signed | {
            "requester_may_vote": self.requester_may_vote,
            "requester_reason_required": self.requester_reason_required,
            "approver_reason_required": self.approver_reason_required,
            "one_open_request": self.one_open_request,
            "minimum_membership_s": _seconds(self.minimum_membership),
            "approve_within_s": _seconds(self.approve_within),
            "execute_within_s": _seconds(self.execute_within),
        }

    def concerns(self, names: Collection[str], *, tenant: str) -> bool:
        """Return True if the policy governs one of the names in a tenant, or if it was altered.

        For policies that `PolicyManager.governing` returned.
        """
        if self.problem:
            return any(name in self.names for name in names)
        return self.is_enabled and self.governs in names and self.tenant in ("", tenant)

    def added_groups(self, version: int) -> set[int]:
        """Return the ids of the groups in the rules of a version that the one before had not."""
        groups: dict[int, set[int]] = {version: set(), version - 1: set()}
        for seal in self.seals.filter(version__in=groups):
            if seal.is_genuine:
                groups[seal.version].update(rule["group_id"] for rule in seal.content["rules"])
        return groups[version] - groups[version - 1]

    def present_rules(self) -> list["Rule"]:
        """Return the rules of the current version; an edit drops the earlier ones."""
        return [rule for rule in self.rules.all() if not rule.is_dropped]

    @cached_property
    def problem(self) -> str:
        """The reason why the policy is not followed; empty if it is as its last command left it."""
        return self.problem_with(_as_json(self.present_rules()), self.seals.all())

    def problem_with(self, rules: Iterable[Mapping[str, Any]], seals: Iterable[PolicySeal]) -> str:
        """Return the reason why the policy, with these rules and seals, is not followed."""
        genuine = [seal for seal in seals if seal.is_genuine]
        if not genuine:
            return f"The {self} has no seal."
        newest = max(genuine, key=lambda seal: seal.version)
        is_intact = newest.signed_content == self._version_with(rules).signed_content
        return "" if is_intact else f"The {self} was altered: it does not match its seal."

    def check_sealed(self) -> None:
        """Check that the policy is as its last command left it.

        :raises PolicyAltered: if it is not.
        """
        if self.problem:
            raise PolicyAltered(self.problem)

    def seal(self) -> None:
        """Add the current version, with its rules, to the register."""
        self._version_with(_as_json(self.rules.filter(is_dropped=False))).sign().save()

    def _version_with(self, rules: Iterable[Mapping[str, Any]]) -> PolicySeal:
        names = ("id", "group_id", "quorum")
        content = {
            **{name: getattr(self, name) for name in _SEALED},
            **self.options,
            "rules": sorted(
                ({name: rule[name] for name in names} for rule in rules), key=itemgetter("id")
            ),
        }
        return PolicySeal(
            policy_id=self.pk, version=self.version, governs=self.governs, content=content
        )

    def restore(self) -> None:
        """Set the policy and its rules to the newest sealed version.

        :raises PolicyAltered: if there is none.
        """
        genuine = [seal for seal in self.seals.order_by("version") if seal.is_genuine]
        if not genuine:
            raise PolicyAltered(self.problem)
        for name, value in genuine[-1].columns().items():
            setattr(self, name, value)
        self.save()
        rules = genuine[-1].content["rules"]
        for dropped in self.rules.exclude(pk__in=[rule["id"] for rule in rules]):
            dropped.drop()
        for rule in rules:
            kept = {"policy": self, "is_dropped": False}
            Rule.objects.update_or_create(pk=rule["id"], defaults=rule | kept)

    def edit(self, **columns: Any) -> None:
        """Set columns, as the next version, and seal it with its rules."""
        for name, value in columns.items():
            setattr(self, name, value)
        self.version += 1
        self.save()
        self.seal()

    def has(self, columns: Mapping[str, Any], rules: Iterable[tuple[int, int]]) -> bool:
        """Return True if the columns have these values, and the rules these groups and quorums."""
        present = sorted((rule.group_id, rule.quorum) for rule in self.present_rules())
        is_same = all(getattr(self, name) == value for name, value in columns.items())
        return is_same and present == sorted(rules)

    def disable(self) -> bool:
        """Disable the policy, as the next version, and seal it; return False if it was disabled."""
        if not self.is_enabled:
            return False
        self.is_enabled, self.version = False, self.version + 1
        self.save(update_fields=["is_enabled", "version"])
        self.seal()
        return True


class Rule(models.Model):
    """A group, and the number of its members who have to approve."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="rules")
    group = models.ForeignKey(Group, on_delete=models.PROTECT)
    quorum = models.PositiveSmallIntegerField()
    is_dropped = models.BooleanField(default=False)

    history = HistoricalRecords(part_of="policy")

    class Meta:
        default_permissions = ()
        constraints = (
            models.CheckConstraint(
                condition=models.Q(quorum__gte=1), name="approvals_rule_quorum_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.quorum} of {quoted(str(self.group))}"

    def drop(self) -> None:
        """Mark the rule as dropped; open requests keep it."""
        self.is_dropped = True
        self.save(update_fields=["is_dropped"])


# The columns that a seal covers, besides those of `Policy.options`. The sealed format is stored.
_SEALED = ("tenant", "condition", "effect", "message", "is_enabled")


def _as_json(rules: Iterable[Rule]) -> list[dict[str, Any]]:
    return [
        {"id": str(rule.pk), "group_id": rule.group_id, "quorum": rule.quorum} for rule in rules
    ]


def _seconds(duration: timedelta | None) -> int | None:
    return int(duration.total_seconds()) if duration else None
