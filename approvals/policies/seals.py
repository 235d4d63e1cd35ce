"""Policies whose row is not as their last command left it, and what an operator does about them."""

from collections.abc import Iterator
from typing import NamedTuple

from approvals.models import Policy, PolicySeal

_SEAL = "Compare it with its history, then run manage.py approvals_seal."
_RESTORE = "Find out who changed it, then run manage.py approvals_seal --restore {}."


class Problem(NamedTuple):
    """A policy that is not followed, with the reason, and what to do."""

    policy: Policy
    text: str
    remedy: str


def problems() -> Iterator[Problem]:
    """Yield the policies that are not followed, in the order of their ids."""
    for policy in Policy.objects.prefetch_related("rules", "seals").order_by("pk"):
        if policy.problem:
            remedy = _RESTORE.format(policy.pk) if is_known(policy) else _SEAL
            yield Problem(policy, f"The {name_of(policy)}: {policy.problem}", remedy)


def name_of(policy: Policy) -> str:
    return f"{policy} ({policy.pk})"


def is_known(policy: Policy) -> bool:
    """Return True if a version of the policy was sealed."""
    seals: list[PolicySeal] = list(policy.seals.all())
    return any(seal.is_genuine for seal in seals)
