"""Requirements of an open request with today's policies added: never fewer than before."""

from collections import Counter
from typing import Any

from approvals.models import ApprovalRequest, Effect
from approvals.models.refusals import NothingToTighten
from approvals.policies import evaluation
from approvals.policies.built_in import is_under_floor
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
    asked = request.requirements
    if verdict.effect is not Effect.REQUIRE_APPROVAL or not _is_more(verdict.requirements, asked):
        raise NothingToTighten
    united = _united(asked, verdict.requirements)
    evaluation.check_can_be_held(command, requirements=united, requester=request.requester_person)
    return united


def verdict_of_today(request: ApprovalRequest, command: Command, *, by: Context) -> Verdict:
    """Return the verdict of today's policies on the command of a request.

    :raises Forbidden: if a policy now forbids the command, or cannot be evaluated.
    """
    return evaluation.judge(command, _as_asked(request, command, by=by))


def people_asked(requirements: dict[str, Any]) -> Counter[int]:
    """Return the number of people required from each group: a person fills one rule only."""
    counted: Counter[int] = Counter()
    for rule in requirements["rules"]:
        counted[rule["group_id"]] += rule["quorum"]
    return counted


def _as_asked(request: ApprovalRequest, command: Command, *, by: Context) -> Context:
    """Rebuild the context in which the command was sent; its subject is in its current state."""
    number = request.subject_number
    context = cases.replayed(request.held_record, None, expected_number=number, by=by)
    context.subject, context.subject_number = command.subject_reference(), number
    # The opening statement did not run here, so look for policies.
    context.facts = {"is_governed": True}
    return context


def _is_more(now: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Return True if the current requirements exceed the earlier ones.

    The built-in policy always does when it is new, even if its owners are required already: the
    command would be refused on execution without it.
    """
    before = people_asked(asked)
    return (
        any(quorum > before[group] for group, quorum in people_asked(now).items())
        or _options(asked, now) != _options(asked, asked)
        or (is_under_floor(now) and not is_under_floor(asked))
    )


def _united(asked: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Return two snapshots united: for each group, the rules that require more of its people."""
    before, after = people_asked(asked), people_asked(now)
    new_versions = [each for each in now["policies"] if each not in asked["policies"]]
    kept = [each for each in asked["rules"] if before[each["group_id"]] >= after[each["group_id"]]]
    new = [each for each in now["rules"] if after[each["group_id"]] > before[each["group_id"]]]
    return {
        "policies": [*asked["policies"], *new_versions],
        "rules": [*kept, *new],
        "options": asked.get("options", {}) | _options(asked, now),
    }


def _options(asked: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    return evaluation.strictest([asked.get("options", {}), now.get("options", {})])
