"""Answers: for each scenario and rule, the people who could have approved at a time, and why."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from django.utils import timezone

from approvals.models.past import rows_as_of
from approvals.passkeys import listing
from approvals.passkeys.votes import OPTION
from approvals.policies.slots import Electorate
from approvals.reports.scenarios import Scenario, scenarios
from audit.installation import users
from audit.messages.classes import Command


class Approver(NamedTuple):
    """A person who could have approved for a rule.

    ``member_since`` is when a command added the person to the group; None if no command did, or for
    a delegate: then ``delegator_id`` and ``delegated_until`` are set. ``can_sign`` is False if the
    policies required signed votes, and no passkey of the person counted.
    """

    person_id: int
    member_since: datetime | None = None
    delegator_id: int | None = None
    delegated_until: datetime | None = None
    can_sign: bool = True

    @property
    def reason(self) -> tuple[int | None, bool]:
        """The values that identify the reason at another time."""
        return self.delegator_id, self.can_sign


class RuleAnswer(NamedTuple):
    """A rule, and the people who could have approved for it."""

    rule: Mapping[str, Any]
    approvers: Sequence[Approver]


class Answer(NamedTuple):
    """A scenario, and the answer for each of its rules."""

    scenario: Scenario
    rules: Sequence[RuleAnswer]


class Question(NamedTuple):
    """The filters: a type of command or any, a tenant or none, one person or all."""

    command_class: type[Command] | None = None
    tenant: str = ""
    person_id: int | None = None


def answers(question: Question, *, at: datetime | None) -> list[Answer]:
    """Return who could have approved, in each scenario, at a time or now.

    By the one definition of eligible approvers, as if no vote had been cast, and none of them were
    the requester. With a person, only what this person could have approved.
    """
    found = scenarios(question.command_class, tenant=question.tenant, at=at)
    requests: Any = found
    electorate = Electorate(requests, at=at)
    signers = _signers(found, electorate, at=at)
    given = [_answer(each, electorate, signers=signers) for each in found]
    return given if question.person_id is None else _of_person(given, question.person_id)


def person_names(people: Collection[int], *, at: datetime | None) -> dict[int, str]:
    """Return the names of people who existed at a time, as they are now or were at the deletion."""
    rows = rows_as_of(at, _names(), [sorted(people)]) if people else []
    return {person: str(name) for person, name in rows}


def _answer(
    scenario: Scenario, electorate: Electorate, *, signers: Mapping[str, set[int]]
) -> Answer:
    request: Any = scenario
    own = electorate.eligible(request)
    delegated = electorate.open_to(request)
    members, signing = electorate.members, signers.get(str(scenario.pk))
    rules = []
    for rule, slot in zip(scenario.required["rules"], own, strict=True):
        group = rule["group_id"]
        approvers = [
            Approver(
                person,
                member_since=members.seniority.since(person, group),
                can_sign=signing is None or person in signing,
            )
            for person in sorted(slot.people)
        ] + [
            Approver(
                each.delegate_id,
                delegator_id=each.delegation.delegator_id,
                delegated_until=each.delegation.ends_at,
                can_sign=signing is None or each.delegate_id in signing,
            )
            for each in delegated
            if rule["id"] in each.rules
        ]
        rules.append(RuleAnswer(rule, approvers))
    return Answer(scenario, rules)


def _signers(
    found: Sequence[Scenario], electorate: Electorate, *, at: datetime | None
) -> dict[str, set[int]]:
    """Return the people whose passkeys counted, for the scenarios that require signed votes."""
    signed = [each for each in found if each.options.get(OPTION)]
    if not signed:
        return {}
    requests: Any = signed
    people = {p for each in requests for slot in electorate.voters(each) for p in slot.people}
    time = at or timezone.now()
    having = {
        each.user_id
        for each in listing.passkeys().filter(user__in=people)
        if listing.counts(each, time)
    }
    return {str(each.pk): having for each in signed}


def _of_person(given: Sequence[Answer], person_id: int) -> list[Answer]:
    found = []
    for answer in given:
        rules = [
            RuleAnswer(each.rule, [a for a in each.approvers if a.person_id == person_id])
            for each in answer.rules
        ]
        if any(each.approvers for each in rules):
            found.append(Answer(answer.scenario, [each for each in rules if each.approvers]))
    return found


@cache
def _names() -> str:
    names = users.tables()
    return f"SELECT {names.pk}, {names.name} FROM {names.users} WHERE {names.pk} = ANY(%s)"  # noqa: S608
