"""What an open request has to meet once the policies of today are added to it: never less."""

from collections import Counter
from typing import Any

from approvals.models import ApprovalRequest, Effect, NothingToTighten
from approvals.policies import evaluation
from approvals.policies.built_in import is_under_floor
from approvals.policies.evaluation import Verdict
from audit.bus import cases
from audit.bus.context import Context
from audit.messages.classes import Command

_FORBIDDING = ("requester_may_vote",)
_DEMANDING = ("requester_reason_required", "approver_reason_required", "one_open_request")
_LEAST = ("minimum_membership_s",)
_MOST = ("approve_within_s", "execute_within_s")


def tightened(request: ApprovalRequest, command: Command, *, context: Context) -> dict[str, Any]:
    """Add what the policies and the floor ask for now to what a request asks for.

    :raises NothingToTighten: if that comes to nothing more.
    :raises Forbidden: if a policy forbids the command by now, cannot be evaluated, or if the people
        who are there cannot meet all of it: then the request stays what it is.
    """
    verdict = verdict_of_today(request, command, by=context)
    asked = request.requirements
    if verdict.effect is not Effect.REQUIRE_APPROVAL or not _is_more(verdict.requirements, asked):
        raise NothingToTighten
    united = _united(asked, verdict.requirements)
    evaluation.check_can_be_held(command, requirements=united, requester=request.requester_person)
    return united


def verdict_of_today(request: ApprovalRequest, command: Command, *, by: Context) -> Verdict:
    """Ask the policies and the floor of today about what a request asks for.

    :raises Forbidden: if a policy forbids the command by now, or cannot be evaluated.
    """
    return evaluation.judge(command, _as_asked(request, command, by=by))


def people_asked(requirements: dict[str, Any]) -> Counter[int]:
    """Count how many people of each group it takes: one person fills one rule only."""
    counted: Counter[int] = Counter()
    for rule in requirements["rules"]:
        counted[rule["group_id"]] += rule["quorum"]
    return counted


def _as_asked(request: ApprovalRequest, command: Command, *, by: Context) -> Context:
    """Rebuild the context in which the command was sent; its subject is as it is now."""
    number = request.subject_number
    context = cases.replayed(request.held_record(), None, expected_number=number, by=by)
    context.subject, context.subject_number = command.subject_reference(), number
    # No statement has asked: the policies are looked for.
    context.facts = {"is_governed": True}
    return context


def _is_more(now: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Tell whether something is asked for now that was not.

    What comes under the floor is, even if its owners are asked already: it would not be carried
    out without.
    """
    before = people_asked(asked)
    return (
        any(quorum > before[group] for group, quorum in people_asked(now).items())
        or _options(asked, now) != _options(asked, asked)
        or (is_under_floor(now) and not is_under_floor(asked))
    )


def _united(asked: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Unite two snapshots: of each group the rules that ask for more of its people."""
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
    """Take the stricter of each option; one that a snapshot lacks asks for nothing."""
    pair = (asked.get("options", {}), now.get("options", {}))
    most = {name: [each[name] for each in pair if each.get(name) is not None] for name in _MOST}
    return {
        **{name: all(each.get(name, False) for each in pair) for name in _FORBIDDING},
        **{name: any(each.get(name, False) for each in pair) for name in _DEMANDING},
        **{name: max(each.get(name, 0) for each in pair) for name in _LEAST},
        **{name: min(values, default=None) for name, values in most.items()},
    }
