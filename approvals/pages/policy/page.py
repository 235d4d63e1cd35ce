"""The page of one policy: its settings, governed commands, waiting requests and versions."""

from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from approvals.models import ApprovalRequest, Policy, PolicySeal
from approvals.pages.policy.drafts import current_settings
from approvals.pages.policy.preview import approvers_of, settings_as_text
from approvals.policies import evaluation
from approvals.policies.seals import group_names, sealed_rules, worded
from approvals.requests import listing
from approvals.requests.presentation import Presented, present
from audit.actors.actors import Actor
from audit.pages import versions
from audit.pages.changes import Change
from audit.pages.labels import words

_MOST_WAITING = 20
_MOST_VERSIONS = 10


def read(policy: Policy, *, actor: Actor) -> dict[str, Any]:
    """Return the context of the page, with what the actor may see."""
    current = current_settings(policy)
    pending = listing.pending_for(actor)
    proposed = pending.filter(subject_type="policy", subject_id=str(policy.pk))
    under = pending.filter(requirements__policies__contains=[{"id": str(policy.pk)}])
    governed = [each.message_type for each in evaluation.governed_by(policy.governs)]
    history: Any = Policy.history
    newest = history.filter(id=policy.pk).order_by("-history_date", "-history_id")
    latest = list(newest[:_MOST_VERSIONS])
    versions.describe(latest, actor=actor)
    _add_changes(latest)
    return {
        "policy": policy,
        "settings": settings_as_text(current, actor=actor).items(),
        "approvers": approvers_of(current),
        "governed": [(each, words(each)) for each in governed],
        "proposals": _newest(proposed, actor=actor),
        "waiting": _newest(under, actor=actor),
        "versions": latest,
        "since": latest[0].history_date if latest else None,
        "may_change": actor.may("approvals.manage_policy") and policy.is_enabled,
    }


def _add_changes(latest: Sequence[Any]) -> None:
    """Add to each version its changes, and that of the approvals, from the sealed rules."""
    numbers = {number for each in latest for number in (each.version, each.version - 1)}
    seals = PolicySeal.objects.filter(policy__in={each.id for each in latest}, version__in=numbers)
    rules = {seal.version: sealed_rules(seal) for seal in seals if seal.is_genuine}
    names = group_names(rules.values())
    for version in latest:
        changes = version.revision.changes
        # Another column has the number.
        version.changes = [change for change in changes if change.field != "version"]
        before, after = rules.get(version.version - 1), rules.get(version.version)
        if before is None or after is None or sorted(before) == sorted(after):
            continue
        was, becomes = worded(before, names), worded(after, names)
        version.changes.append(Change(field="approvals", before=was, after=becomes))


def _newest(requests: QuerySet[ApprovalRequest], *, actor: Actor) -> list[Presented]:
    return present(requests.order_by("-requested_at", "-pk")[:_MOST_WAITING], actor=actor)
