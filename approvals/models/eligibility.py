"""Eligibility to vote: one definition for votes, counts, policies, previews, pages and e-mail.

An eligible approver is active, can sign in, may view requests, sees the tenant, and has been a
member of the group for long enough. A vote counts while its voter is all that, except that a
voter who no longer can sign in has voted already.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cache, cached_property
from typing import Any

from django.db.models import Q
from django.utils.module_loading import import_string

from approvals.models import refusals
from approvals.people.seniority import Seniority
from audit.actors.actors import Actor
from audit.actors.permissions import granted_sql
from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.characters import quoted
from audit.wire import pipeline
from audit.wire.statements import Call, Statement

# The only sign-in page is that of the admin. An unusable password begins with this mark.
_USABLE = "^[^!]"


class Members:
    """The active members of groups, and those of them who may vote on requests of some tenants.

    At most two queries, for any number of groups. Requests without a tenant have an empty one.
    """

    def __init__(self, group_ids: Collection[int], *, tenants: Collection[str] = ("",)) -> None:
        self._group_ids = sorted(set(group_ids))
        self._active: defaultdict[int, set[int]] = defaultdict(set)
        self._counting: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
        self._able: set[int] = set()
        asked = [sorted(set(tenants)), self._group_ids]
        for group, person, tenant, counts, can_sign_in in pipeline.execute(_members(), asked):
            self._active[group].add(person)
            if counts:
                self._counting[group, tenant].add(person)
            if can_sign_in:
                self._able.add(person)

    @cached_property
    def _seniority(self) -> Seniority:
        return Seniority(self._group_ids)

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
        return self._seniority.senior(people, group_id, minimum_s=minimum_s)


def selection(actor: Actor, *, tenant: str) -> Call:
    """Return the statement that `eligible_rules` executes, to be prefetched."""
    return Call(_groups_of_person(), [tenant, int(actor.person_id)])


def eligible_rules(
    requirements: Mapping[str, Any], *, tenant: str, requester_person: str, actor: Actor
) -> list[str]:
    """Return the ids of the rules that a person may approve for now.

    :raises Forbidden: with the reason, if there is no such rule.
    """
    options, rules = requirements.get("options", {}), requirements["rules"]
    if actor.kind != "user":
        raise refusals.NotAPerson
    if actor.person_id == requester_person and not options.get("requester_may_vote", False):
        raise refusals.OwnRequest
    found = pipeline.execute(*selection(actor, tenant=tenant))
    if not found:
        raise refusals.NotActive
    groups = {group for group, *_ in found}
    own = [rule for rule in rules if rule["group_id"] in groups]
    if not own:
        names = ", ".join(quoted(rule["group"]) for rule in rules)
        message = f"You do not belong to {names}, whose members may approve this request."
        raise refusals.NotAnApprover(message)
    _check_may_vote(*found[0][1:])
    minimum_s, person_id = int(options.get("minimum_membership_s", 0)), int(actor.person_id)
    if minimum_s:
        seniority = Seniority({rule["group_id"] for rule in own})
        own = [r for r in own if seniority.senior({person_id}, r["group_id"], minimum_s=minimum_s)]
        if not own:
            raise refusals.TooNew
    return [rule["id"] for rule in own]


def _check_may_vote(can_sign_in: bool, may_view: bool, sees_tenant: bool) -> None:  # noqa: FBT001  # a row
    if not can_sign_in:
        raise refusals.CannotSignIn
    if not may_view:
        raise refusals.MayNotView
    if not sees_tenant:
        raise refusals.OtherTenant


@cache
def can_sign_in() -> Q:
    """Match users who can sign in."""
    return Q(is_active=True, password__regex=_USABLE, **{users.staff_field(): True})


@cache
def _members() -> Statement:
    names = users.tables()
    return Statement(f"""
        SELECT belonging.group_id, person.{names.pk}, asked.tenant,
            {_may_view()} AND {_sees_tenant()}, {_can_sign_in()}
        FROM unnest(%s::text[]) AS asked (tenant), {names.of_groups} AS belonging
        JOIN {names.users} AS person ON person.{names.pk} = belonging.{names.of_groups_user}
        WHERE person.{names.is_active} AND belonging.group_id = ANY(%s)
    """)  # noqa: S608  # of models


@cache
def _groups_of_person() -> Statement:
    """Return the query for the groups of an active person; one row, if there is no group."""
    names = users.tables()
    return Statement(f"""
        SELECT belonging.group_id, {_can_sign_in()}, {_may_view()}, {_sees_tenant()}
        FROM (SELECT %s::text) AS asked (tenant), {names.users} AS person
        LEFT JOIN {names.of_groups} AS belonging
            ON belonging.{names.of_groups_user} = person.{names.pk}
        WHERE person.{names.pk} = %s AND person.{names.is_active}
    """)  # noqa: S608  # of models


def _can_sign_in() -> str:
    names = users.tables()
    needed = f"person.{names.is_active} AND person.{names.is_staff}"
    return f"({needed} AND person.{names.password} ~ '{_USABLE}')"


def _may_view() -> str:
    return granted_sql("person", "approvals.view_approvalrequest")


def _sees_tenant() -> str:
    name = countersign().sees_tenant_sql
    sees = import_string(name)(user="person", tenant="asked.tenant") if name else "true"
    return f"(asked.tenant = '' OR {sees})"
