"""Requirements of an open request with today's policies added: never fewer than before."""

from collections import Counter
from typing import Any

from approvals.models import ApprovalRequest, Effect
from approvals.models.refusals import NothingToTighten
from approvals.policies import evaluation
from approvals.policies.built_in import includes_built_in
from approvals.policies.evaluation import Verdict
from audit.bus import cases
from audit.bus.context import Context
from audit.messages.classes import Command


def tightened(request: ApprovalRequest, command: Command, *, context: Context) -> dict[str, Any]:
    """Return the requirements of a request with those of today's policies added.

    :raises NothingToTighten: if nothing is added.
    :raises Forbidden: if a policy now forbids the command or cannot be evaluated, or if the
        current approvers cannot meet all requirements: then the request stays unchanged.
    """
    verdict = verdict_of_today(request, command, by=context)
    prior = request.requirements
    if verdict.effect is not Effect.REQUIRE_APPROVAL or not _is_more(verdict.requirements, prior):
        raise NothingToTighten
    united = _united(prior, verdict.requirements)
    evaluation.check_can_be_held(
        command,
        requirements=united,
        tenant=request.tenant,
        requester=request.requester_person,
    )
    return united


def verdict_of_today(request: ApprovalRequest, command: Command, *, by: Context) -> Verdict:
    """Return the verdict of today's policies on the command of a request.

    :raises Forbidden: if a policy now forbids the command, or cannot be evaluated.
    """
    return evaluation.judge(command, _as_sent(request, command, by=by))


def people_required(requirements: dict[str, Any]) -> Counter[int]:
    """Return the number of people required from each group: a person fills one rule only."""
    counted: Counter[int] = Counter()
    for rule in requirements["rules"]:
        counted[rule["group_id"]] += rule["quorum"]
    return counted


def _as_sent(request: ApprovalRequest, command: Command, *, by: Context) -> Context:
    """Rebuild the context in which the command was sent; its subject is in its current state."""
    number = request.subject_number
    context = cases.replayed(request.held_record, None, expected_number=number, by=by)
    context.subject, context.subject_number = command.subject_reference(), number
    # The opening statement did not run here, so look for policies.
    context.facts = {"is_governed": True}
    return context


def _is_more(now: dict[str, Any], prior: dict[str, Any]) -> bool:
    """Return True if the current requirements exceed the earlier ones.

    The built-in policy always does when it is new, even if its owners are required already: the
    command would be refused on execution without it.
    """
    before = people_required(prior)
    return (
        any(quorum > before[group] for group, quorum in people_required(now).items())
        or _options(prior, now) != _options(prior, prior)
        or (includes_built_in(now) and not includes_built_in(prior))
    )


def _united(prior: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return two snapshots united: for each group, the rules that require more of its people."""
    before, after = people_required(prior), people_required(now)
    new_versions = [each for each in now["policies"] if each not in prior["policies"]]
    kept = [each for each in prior["rules"] if before[each["group_id"]] >= after[each["group_id"]]]
    new = [each for each in now["rules"] if after[each["group_id"]] > before[each["group_id"]]]
    return {
        "policies": [*prior["policies"], *new_versions],
        "rules": [*kept, *new],
        "options": prior.get("options", {}) | _options(prior, now),
    }


def _options(prior: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    return evaluation.strictest([prior.get("options", {}), now.get("options", {})])
