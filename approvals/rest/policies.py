"""The policy endpoints: reading, and proposing changes, which need approval themselves."""

import re
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Prefetch, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED

from approvals.models import Effect, Policy, Rule
from approvals.policies import conditions
from approvals.policies.commands import CreatePolicy, DisablePolicy, EditPolicy
from approvals.rest import resources
from audit.bus import store
from audit.messages.characters import quoted
from audit.messages.classes import Subject
from audit.messages.exceptions import Forbidden, NotFound
from audit.messages.outcomes import Completed
from audit.rest.openapi.operations import documented
from audit.rest.viewsets.commands import CommandInput, CommandViewSet
from audit.subjects.streams import with_numbers
from audit.subjects.types import visible


class GroupField(serializers.SlugRelatedField):
    """A group of people, by its name."""

    def to_internal_value(self, data: Any) -> Group:
        """Return the group.

        :raises ValidationError: if there is none. PostgreSQL text cannot contain NUL.
        """
        if not isinstance(data, str):
            self.fail("invalid")
        found = None if "\x00" in data else Group.objects.filter(name=data).first()
        if found is None:
            message = f"There is no group {quoted(data)}."
            raise serializers.ValidationError(message, code="does_not_exist")
        return found


class RuleInput(serializers.Serializer[Any]):
    """A group, by its name, and the number of its members who have to approve."""

    group = GroupField(queryset=Group.objects.all(), slug_field="name")
    quorum = serializers.IntegerField(min_value=1, max_value=100)


class IsoDurationField(serializers.DurationField):
    """An ISO 8601 duration without years and months, whose length varies."""

    _PATTERN = r"P(\d{1,5}D(T\d{1,5}[HMS])?|T\d{1,5}H(\d{1,5}M)?|T\d{1,5}[MS])"
    json_schema: ClassVar = {"type": "string", "pattern": f"^{_PATTERN}$"}

    def to_internal_value(self, value: Any) -> timedelta:
        if not re.fullmatch(self._PATTERN, str(value), re.ASCII):
            self.fail("invalid", format="PT48H")
        length: timedelta = super().to_internal_value(value)
        return length


class PolicyInput(CommandInput):
    """The settings of a policy; durations are ISO 8601, such as PT48H."""

    governs = serializers.CharField(max_length=200)
    effect = serializers.ChoiceField(choices=Effect.choices, default=Effect.REQUIRE_APPROVAL)
    tenant = serializers.CharField(required=False, allow_null=True, max_length=100)
    condition = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=conditions.LONGEST,
        help_text="A condition in CEL on the command. It may not build texts or lists, nor search "
        "a list inside of another. If it is empty, the policy applies to every command.",
    )
    message = serializers.CharField(required=False, allow_blank=True, max_length=500)
    rules = RuleInput(many=True, required=False)
    requester_may_vote = serializers.BooleanField(required=False)
    requester_reason_required = serializers.BooleanField(required=False)
    approver_reason_required = serializers.BooleanField(required=False)
    signed_votes = serializers.BooleanField(required=False)
    minimum_membership = IsoDurationField(required=False)
    approve_within = IsoDurationField(required=False, allow_null=True)
    execute_within = IsoDurationField(required=False, allow_null=True)
    one_open_request = serializers.BooleanField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the values under the names of the command's fields."""
        rules = attrs.pop("rules", [])
        tenant = attrs.pop("tenant", None)
        return attrs | {
            "for_tenant": tenant or "",
            "groups": tuple(rule["group"].pk for rule in rules),
            "quorums": tuple(rule["quorum"] for rule in rules),
        }


_command = partial(documented, gives=resources.PolicyResource, is_command=True)


class PolicyViewSet(CommandViewSet):
    """Policies. Every change is a command that two policy owners have to approve."""

    tag = "policies"
    field_names = {"for_tenant": "tenant", "groups": "rules", "quorums": "rules"}

    @documented("list_policies", gives=resources.PolicyList)
    def list(self, request: Request) -> Response:
        """List policies, sorted by the commands that they govern."""
        policies = self._visible().order_by("governs", "pk")
        return Response({"results": [_with_number(policy) for policy in policies]})

    @documented("retrieve_policy", gives=resources.PolicyResource)
    def retrieve(self, request: Request, policy_id: UUID) -> Response:
        """Return one policy."""
        return Response(_with_number(visible(self._visible(), Subject("policy", str(policy_id)))))

    @_command(
        "create_policy", takes=PolicyInput, succeeds_with=HTTP_201_CREATED, raises=(NotFound,)
    )
    def create(self, request: Request) -> Response:
        """Propose a policy."""
        return self.send(CreatePolicy)

    @_command("replace_policy", takes=PolicyInput)
    def update(self, request: Request, policy_id: UUID) -> Response:
        """Propose a change of a policy."""
        return self.send(EditPolicy, policy_id=policy_id)

    @_command("disable_policy")
    def disable(self, request: Request, policy_id: UUID) -> Response:
        """Propose to disable a policy."""
        return self.send(DisablePolicy, policy_id=policy_id)

    def represent(self, completed: Completed) -> resources.PolicyResource:
        policy: Policy = completed.result
        number = store.current_number(Subject("policy", str(policy.pk)))
        return resources.policy(policy, number=number)

    def _visible(self) -> QuerySet[Policy]:
        actor = self.actor
        if not actor.may("approvals.view_policy"):
            raise Forbidden
        rules = Rule.objects.select_related("group")
        policies = Policy.objects.prefetch_related(Prefetch("rules", queryset=rules), "seals")
        return actor.confine(with_numbers(policies), also=Q(tenant=""))


def _with_number(policy: Any) -> resources.PolicyResource:
    return resources.policy(policy, number=policy.number)
