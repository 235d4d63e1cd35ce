"""Scenarios: the commands that policies held at a time, each with its requirements then.

The conditions of policies depend on the single command. So each policy with a condition is a
scenario of its own, in which it adds to the policies that have none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import Group

from approvals.models import Effect, Policy, PolicySeal
from approvals.models.past import rows_as_of
from approvals.models.requirements import Requirements
from approvals.people.accounts import OWNERS
from approvals.policies import built_in, evaluation
from audit.messages.classes import Command

_OWNERS = f'SELECT id, name FROM "{Group._meta.db_table}" WHERE name = %s'  # noqa: S608


@dataclass(kw_only=True)
class Scenario(Requirements):
    """A request that could have been made: of no particular requester, and without any vote.

    ``governs`` is a message type, or the names that the policy governs; ``condition`` that of the
    policy, empty if there is none. ``problem`` is why such commands were refused: then there are no
    rules. ``is_built_in`` if the built-in policy is among the policies.
    """

    governs: str
    tenant: str
    condition: str
    required: dict[str, Any]
    policies: list[Policy] = field(default_factory=list)
    is_built_in: bool = False
    problem: str = ""
    requester_person: str = ""
    pk: UUID = field(default_factory=uuid4)
    current_voters: frozenset[int] = frozenset()

    @property
    def key(self) -> tuple[str, ...]:
        """The values that identify the scenario at another time."""
        return (
            self.governs,
            self.tenant,
            self.condition,
            *sorted({str(p.pk) for p in self.policies}),
        )

    def current_votes(self) -> list[Any]:
        return []


def scenarios(
    command_class: type[Command] | None, *, tenant: str, at: datetime | None
) -> list[Scenario]:
    """Return the scenarios of a type of command, or of every policy, at a time or now.

    A tenant is that of the command. Without one, of a type of command: the command belongs to none.
    """
    if command_class is None:
        return list(_of_policies(tenant=tenant, at=at))
    names = evaluation.names_governing(command_class)
    found = Policy.objects.governing(names, at=at)
    concerned = [each for each in found if each.concerns(names, tenant=tenant)]
    return list(_of_command(command_class, concerned, tenant=tenant, at=at))


def _of_command(
    command_class: type[Command], concerned: Sequence[Policy], *, tenant: str, at: datetime | None
) -> Iterator[Scenario]:
    given: dict[str, Any] = {"governs": command_class.message_type, "tenant": tenant}
    if problem := next((each.problem for each in concerned if each.problem), ""):
        yield _refused(problem, condition="", policies=concerned, **given)
        return
    found = [each for each in concerned if evaluation.may_apply(each.effect, command_class)]
    always = [each for each in found if not each.condition]
    if forbidding := next((each for each in always if each.effect == Effect.FORBID), None):
        message = forbidding.message or f"The {forbidding} forbade this."
        yield _refused(message, condition="", policies=[forbidding], **given)
        return
    holding = [each for each in always if each.effect == Effect.REQUIRE_APPROVAL]
    if holding:
        yield _held(holding, condition="", **given)
    if command_class in built_in.guarded_classes():
        yield from _guarded(holding, at=at, **given)
    for each in found:
        if each.condition and each.effect == Effect.REQUIRE_APPROVAL:
            yield _held([*holding, each], condition=each.condition, **given)
        elif each.condition and each.effect == Effect.FORBID:
            message = each.message or f"The {each} forbade this."
            yield _refused(message, condition=each.condition, policies=[each], **given)


def _of_policies(*, tenant: str, at: datetime | None) -> Iterator[Scenario]:
    """Yield a scenario for each policy that held commands, by itself."""
    names = list(
        PolicySeal.objects.order_by("governs").values_list("governs", flat=True).distinct()
    )
    for each in Policy.objects.governing(names, at=at):
        given = {"governs": each.governs, "tenant": tenant or each.tenant}
        if tenant and each.tenant not in ("", tenant):
            continue
        if each.problem:
            yield _refused(each.problem, condition="", policies=[each], **given)
        elif each.is_enabled and each.effect == Effect.REQUIRE_APPROVAL:
            yield _held([each], condition=each.condition, **given)
    yield from _guarded([], governs="", tenant=tenant, at=at)


def _guarded(
    policies: Sequence[Policy], *, governs: str, tenant: str, at: datetime | None
) -> Iterator[Scenario]:
    """Yield the scenario of the built-in policy, if its group existed."""
    for group_id, name in rows_as_of(at, _OWNERS, [OWNERS]):
        required = evaluation.added_up(
            policies, built_in=built_in.requirements_of(group_id, name, governs=governs)
        )
        yield Scenario(
            governs=governs,
            tenant=tenant,
            condition="",
            required=required,
            policies=list(policies),
            is_built_in=True,
        )


def _held(policies: Sequence[Policy], **given: Any) -> Scenario:
    return Scenario(required=evaluation.added_up(policies), policies=list(policies), **given)


def _refused(problem: str, *, policies: Sequence[Policy], **given: Any) -> Scenario:
    nothing: dict[str, Any] = {"policies": [], "rules": [], "options": {}}
    return Scenario(required=nothing, policies=list(policies), problem=problem, **given)
