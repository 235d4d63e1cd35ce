"""Eligibility to vote: one definition for votes, counts, policies, previews, pages and e-mail.

An eligible approver is active, can sign in, may view requests, sees the tenant, and has been a
member of the group for long enough. A vote counts while its voter is all that, except that a
voter who no longer can sign in has voted already.

A delegate votes in the place of an eligible approver. The delegate needs no membership, but all
the rest, and neither of the two is the requester. Each place has one vote.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from approvals.models import refusals
from approvals.models.past import read_as_of
from approvals.models.votes import Delegation, Vote
from approvals.people.seniority import Seniority
from audit.actors.actors import Actor
from audit.actors.permissions import granted_sql
from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.characters import quoted
from audit.wire import pipeline
from audit.wire.statements import Call, Statement

# A delegation has no column for this: its row never changes. An event that no command wrote ends
# it as well, and can grant nothing.
IS_ENDED = """EXISTS (
    SELECT FROM audit_eventrecord AS event
    WHERE event.subject_type = 'delegation' AND event.subject_id = delegation.id::text
        AND event.message_type = 'approvals.delegation_ended'
)"""


class Right(NamedTuple):
    """A right to vote for some rules, by their ids: one's own, or by a delegation another's."""

    rules: list[str]
    delegation: Delegation | None = None

    def place(self, person_id: int) -> int:
        """Return the id of the person whose place a vote of this person would take."""
        return self.delegation.delegator_id if self.delegation else person_id


class Delegated(NamedTuple):
    """The right of a delegate to vote for some rules in the place of the delegator."""

    rules: list[str]
    delegation: Delegation

    @property
    def delegate_id(self) -> int:
        """The id of the person who has the right."""
        return self.delegation.delegate_id


class Members:
    """The active members of groups, and those of them who may vote on requests of some tenants.

    At most two queries, for any number of groups. Requests without a tenant have an empty one. With
    them come the current delegations for the groups, and those of the votes on ``requests``. All is
    as of now, or ``at`` a time.
    """

    def __init__(
        self,
        group_ids: Collection[int],
        *,
        tenants: Collection[str] = ("",),
        requests: Collection[UUID] = (),
        at: datetime | None = None,
    ) -> None:
        self._at, self._group_ids = at, sorted(set(group_ids))
        self._active: defaultdict[int, set[int]] = defaultdict(set)
        self._counting: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
        self._able: set[int] = set()
        self._delegations: defaultdict[str, list[Delegation]] = defaultdict(list)
        asked = sorted(set(tenants))
        found = [asked, self._group_ids, asked, self._group_ids, [*requests]]
        rows = read_as_of(at, _members(can_sign_in_sql()), found)
        for group, person, tenant, counts, can_sign_in, row in rows:
            if can_sign_in:
                self._able.add(person)
            if row is not None:
                self._add_delegation(json.loads(row), tenant=tenant, counts=counts)
                continue
            self._active[group].add(person)
            if counts:
                self._counting[group, tenant].add(person)

    def _add_delegation(self, row: Mapping[str, Any], *, tenant: str, counts: bool) -> None:
        delegation = _delegation(row)
        if counts and delegation.is_genuine and not row["is_ended"]:
            self._delegations[tenant].append(delegation)

    def standing(self, *, tenant: str) -> dict[UUID, Delegation]:
        """Return the delegations by which votes count: those that were not ended early."""
        return {each.pk: each for each in self._delegations[tenant]}

    def allows(self, vote: Vote, *, tenant: str) -> bool:
        """Return True if a vote was cast by own right, or by a delegation that still counts."""
        if not vote.delegation_id:
            return True
        delegation = self.standing(tenant=tenant).get(vote.delegation_id)
        return delegation is not None and delegation.allows(vote)

    def delegations(self, *, tenant: str) -> list[Delegation]:
        """Return the delegations by which their delegates may vote now, the oldest first."""
        now, found = self._at or timezone.now(), self._delegations[tenant]
        able = (each for each in found if each.delegate_id in self._able and each.lasts_at(now))
        return sorted(able, key=lambda each: each.pk)

    @cached_property
    def seniority(self) -> Seniority:
        """The times at which the members joined."""
        return Seniority(self._group_ids, at=self._at)

    def active(self, group_id: int) -> set[int]:
        """Return the active members of a group, whether they may vote or not."""
        return self._active[group_id]

    def eligible(self, group_id: int, *, tenant: str = "", minimum_s: int = 0) -> set[int]:
        """Return the members of a group, for ``minimum_s`` seconds or longer, who may vote now."""
        return self.counting(group_id, tenant=tenant, minimum_s=minimum_s) & self._able

    def counting(self, group_id: int, *, tenant: str = "", minimum_s: int = 0) -> set[int]:
        """Return those whose votes count: after the vote, one need not be able to sign in."""
        people = self._counting[group_id, tenant]
        if not minimum_s:
            return people
        return self.seniority.senior(people, group_id, minimum_s=minimum_s)


def selection(actor: Actor, *, tenant: str) -> Call:
    """Return the statement that `rights` executes, to be prefetched."""
    return Call(_groups_of_person(can_sign_in_sql()), [tenant, int(actor.person_id)])


def rights(
    requirements: Mapping[str, Any], *, tenant: str, requester_person: str, actor: Actor
) -> list[Right]:
    """Return the rights by which a person may vote now: one's own, or else those of delegators.

    :raises Forbidden: with the reason, if there is none.
    """
    options, rules = requirements.get("options", {}), requirements["rules"]
    if actor.kind != "user":
        raise refusals.NotAPerson
    if actor.person_id == requester_person and not options.get("requester_may_vote", False):
        raise refusals.OwnRequest
    found = pipeline.execute(*selection(actor, tenant=tenant))
    if not found:
        raise refusals.NotActive
    try:
        return [Right(_own_rules(requirements, found, actor=actor))]
    except (refusals.NotAnApprover, refusals.TooNew):
        # Only a person with a delegation takes another statement.
        *_, is_delegate = found[0]
        if not is_delegate:
            raise
        members = Members({rule["group_id"] for rule in rules}, tenants=[tenant])
        delegated = delegated_rights(
            requirements, members, tenant=tenant, requester_person=requester_person
        )
        own = [Right(*each) for each in delegated if each.delegate_id == int(actor.person_id)]
        if not own:
            raise
        return own


def _own_rules(requirements: Mapping[str, Any], found: Sequence[Any], *, actor: Actor) -> list[str]:
    """Return the ids of the rules for which a person may vote by membership."""
    options, rules = requirements.get("options", {}), requirements["rules"]
    groups = {group for group, *_ in found}
    own = [rule for rule in rules if rule["group_id"] in groups]
    if not own:
        names = ", ".join(quoted(rule["group"]) for rule in rules)
        message = f"You do not belong to {names}, whose members may approve this request."
        raise refusals.NotAnApprover(message)
    _check_may_vote(*found[0][1:-1])
    minimum_s, person_id = int(options.get("minimum_membership_s", 0)), int(actor.person_id)
    if minimum_s:
        seniority = Seniority({rule["group_id"] for rule in own})
        own = [r for r in own if seniority.senior({person_id}, r["group_id"], minimum_s=minimum_s)]
        if not own:
            raise refusals.TooNew
    return [rule["id"] for rule in own]


def delegated_rights(
    requirements: Mapping[str, Any],
    members: Members,
    *,
    tenant: str,
    requester_person: str,
) -> list[Delegated]:
    """Return the rights by which delegates may vote now; ``members`` are those of all rules."""
    minimum_s = int(requirements.get("options", {}).get("minimum_membership_s", 0))
    found = []
    for delegation in members.delegations(tenant=tenant):
        delegator_id = delegation.delegator_id
        if requester_person in (str(delegator_id), str(delegation.delegate_id)):
            continue
        rules = [
            rule["id"]
            for rule in requirements["rules"]
            if rule["group_id"] in delegation.groups
            and delegator_id
            in members.eligible(rule["group_id"], tenant=tenant, minimum_s=minimum_s)
        ]
        found += [Delegated(rules, delegation)] if rules else []
    return found


def taken_on(request_id: UUID, *, votes: Collection[Vote], tenant: str) -> set[int]:
    """Return the people whose places current votes on a request take; without delegates, no query.

    See `taken_places`.
    """
    if not any(vote.delegation_id for vote in votes):
        return {vote.voter_id for vote in votes}
    members = Members((), tenants=[tenant], requests=[request_id])
    return taken_places(votes, members, tenant=tenant)


def taken_places(votes: Iterable[Vote], members: Members, *, tenant: str) -> set[int]:
    """Return the people whose places current votes take: their own votes, or those of delegates.

    Once a delegation was ended early, or its delegate may no longer vote, the place is free.
    """
    return {each.place_id for each in votes if members.allows(each, tenant=tenant)}


def _delegation(row: Mapping[str, Any]) -> Delegation:
    """Return the delegation that PostgreSQL wrote as JSON."""
    fields = Delegation._meta.concrete_fields
    return Delegation(**{each.attname: each.to_python(row[each.attname]) for each in fields})


def _check_may_vote(can_sign_in: bool, may_view: bool, sees_tenant: bool) -> None:  # noqa: FBT001  # a row
    if not can_sign_in:
        raise refusals.CannotSignIn
    if not may_view:
        raise refusals.MayNotView
    if not sees_tenant:
        raise refusals.OtherTenant


def can_sign_in() -> Q:
    """Match users who can sign in."""
    return Q(is_active=True, password__regex=users.usable_password(), **{users.staff_field(): True})


@cache
def _members(can_sign_in: str) -> Statement:
    names = users.tables()
    return Statement(f"""
        SELECT belonging.group_id, person.{names.pk}, asked.tenant,
            {_may_view()} AND {sees_tenant_sql()}, {can_sign_in}, NULL
        FROM unnest(%s::text[]) AS asked (tenant), {names.of_groups} AS belonging
        JOIN {names.users} AS person ON person.{names.pk} = belonging.{names.of_groups_user}
        WHERE person.{names.is_active} AND belonging.group_id = ANY(%s)
        UNION ALL
        SELECT NULL, person.{names.pk}, asked.tenant,
            person.{names.is_active} AND {_may_view()} AND {sees_tenant_sql()}, {can_sign_in},
            (to_jsonb(delegation) || jsonb_build_object('is_ended', {IS_ENDED}))::text
        FROM unnest(%s::text[]) AS asked (tenant), approvals_delegation AS delegation
        JOIN {names.users} AS person ON person.{names.pk} = delegation.delegate_id
        WHERE delegation.id IN (
            SELECT id FROM approvals_delegation
            WHERE ends_at > statement_timestamp() AND groups && %s::int[]
            UNION ALL
            SELECT delegation_id FROM approvals_vote
            WHERE request_id = ANY(%s::uuid[]) AND delegation_id IS NOT NULL
        )
    """)  # noqa: S608  # of models


@cache
def _groups_of_person(can_sign_in: str) -> Statement:
    """Return the query for the groups of an active person; one row, if there is no group."""
    names = users.tables()
    return Statement(f"""
        SELECT belonging.group_id, {can_sign_in}, {_may_view()}, {sees_tenant_sql()}, EXISTS (
            SELECT FROM approvals_delegation
            WHERE delegate_id = person.{names.pk} AND ends_at > statement_timestamp()
        )
        FROM (SELECT %s::text) AS asked (tenant), {names.users} AS person
        LEFT JOIN {names.of_groups} AS belonging
            ON belonging.{names.of_groups_user} = person.{names.pk}
        WHERE person.{names.pk} = %s AND person.{names.is_active}
    """)  # noqa: S608  # of models


def can_sign_in_sql() -> str:
    """Return the condition of `can_sign_in` in SQL, for a row of users named ``person``."""
    names = users.tables()
    needed = f"person.{names.is_active} AND person.{names.is_staff}"
    return f"({needed} AND person.{names.password} ~ '{users.usable_password()}')"


def _may_view() -> str:
    return granted_sql("person", "approvals.view_approvalrequest")


def sees_tenant_sql() -> str:
    """Return the condition that ``person`` sees the tenant, in SQL."""
    name = countersign().sees_tenant_sql
    sees = import_string(name)(user="person", tenant="asked.tenant") if name else "true"
    return f"(asked.tenant = '' OR {sees})"
