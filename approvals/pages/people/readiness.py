"""Readiness of the members of groups to approve, and the reasons why not."""

from collections.abc import Collection
from datetime import timedelta
from typing import NamedTuple

from django.contrib.auth.models import Group, User

from approvals.models import Policy
from approvals.models.eligibility import Members
from approvals.people.roles import VIEW_EVERY_TENANT, VIEW_REQUESTS
from approvals.people.seniority import Seniority
from approvals.policies import power
from audit.actors import permissions
from audit.actors.actors import tenants_of_user
from audit.installation.settings import countersign
from audit.pages.labels import span
from audit.subjects.tenants import tenant_word


class Standing(NamedTuple):
    """A membership of a group, with what the member still lacks to be able to approve.

    ``decides``: a policy or a request requires the group's approval, or the built-in policy does.
    ``sees_tenants``: the member sees the data of at least one tenant.
    """

    user: User
    group: Group
    decides: bool
    may_approve: bool
    sees_tenants: bool
    missing: list[str]

    @property
    def text(self) -> str:
        """The standing in words; empty if the group has nothing to approve."""
        if not self.decides:
            return ""
        if not self.may_approve:
            return ": ".join(filter(None, ("cannot approve yet", "; ".join(self.missing))))
        if self.sees_tenants:
            return "can approve"
        return f"can approve only what belongs to no {tenant_word()}"


def standings(users: Collection[User], groups: Collection[Group]) -> list[Standing]:
    """Return the standing of each of these members in each of these groups."""
    viewers, all_seeing = (_holders(name, users) for name in (VIEW_REQUESTS, VIEW_EVERY_TENANT))
    group_ids = [group.pk for group in groups]
    members, seniority = Members(group_ids), Seniority(group_ids)
    minimums = {group.pk: minimum_membership(group) for group in groups}
    deciding = {group.pk for group in groups if power.are_used([group.pk])}
    found = []
    for user in users:
        lacking = _lacking(user, may_view=user.pk in viewers)
        sees_tenants = user.pk in all_seeing or _sees_any_tenant(user)
        for group in groups:
            minimum = minimums[group.pk]
            eligible = members.eligible(group.pk, minimum_s=int(minimum.total_seconds()))
            found.append(
                Standing(
                    user=user,
                    group=group,
                    decides=group.pk in deciding,
                    may_approve=user.pk in eligible,
                    sees_tenants=sees_tenants,
                    missing=[*lacking, *_too_new(user, group, minimum, seniority)],
                )
            )
    return found


def minimum_membership(group: Group) -> timedelta:
    """Return the longest membership that an enabled policy requires of the group's members."""
    policies = Policy.objects.filter(
        is_enabled=True, rules__group=group.pk, rules__is_dropped=False
    )
    return max(policies.values_list("minimum_membership", flat=True), default=timedelta())


def _lacking(user: User, *, may_view: bool) -> list[str]:
    checks = {
        "the account is not active": user.is_active,
        "no access to the admin pages": user.is_staff,
        "no password yet": countersign().single_sign_on or user.has_usable_password(),
        "no permission to view approval requests": may_view,
    }
    return [text for text, is_met in checks.items() if not is_met]


def _holders(permission: str, users: Collection[User]) -> set[int]:
    superusers = {user.pk for user in users if user.is_superuser}
    granted = permissions.granted_to(permission).filter(pk__in=[user.pk for user in users])
    return superusers.union(granted.values_list("pk", flat=True))


def _too_new(user: User, group: Group, minimum: timedelta, seniority: Seniority) -> list[str]:
    seconds = int(minimum.total_seconds())
    if seniority.senior({user.pk}, group.pk, minimum_s=seconds):
        return []
    return [f"a policy requires a membership of {span(minimum)}"]


def _sees_any_tenant(user: User) -> bool:
    tenants = tenants_of_user(user)
    return tenants is None or bool(tenants)
