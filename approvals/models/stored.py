"""Stored JSON of approvals: the requirements of a request, and the rules of a vote."""

from typing import Any

from audit.models.json import MALFORMED, ShapedJSONField

# The longest duration that readers can add to a time, in seconds.
_LONGEST_S = 99_999 * 86_400
_DURATIONS = ("minimum_membership_s", "approve_within_s", "execute_within_s")


class RequirementsField(ShapedJSONField):
    """The rules, policies and options of a request. Malformed ones have no rule to meet."""

    def is_well_formed(self, value: Any) -> bool:
        return (
            isinstance(value, dict)
            and _is_list(value.get("rules"), of=_is_rule)
            and _is_list(value.get("policies"), of=_is_policy)
            and _is_options(value.get("options", {}))
        )

    def malformed(self, text: str) -> dict[str, Any]:
        return {"policies": [], "rules": [], "options": {}, MALFORMED: text}


class RuleIdsField(ShapedJSONField):
    """The ids of rules."""

    def is_well_formed(self, value: Any) -> bool:
        return _is_list(value, of=lambda each: isinstance(each, str))

    def malformed(self, text: str) -> list[str]:
        return [MALFORMED]


def _is_list(value: Any, *, of: Any) -> bool:
    return isinstance(value, list) and all(map(of, value))


def _is_rule(rule: Any) -> bool:
    return (
        isinstance(rule, dict)
        and isinstance(rule.get("id"), str)
        and isinstance(rule.get("group"), str)
        and isinstance(rule.get("policy_id", ""), str)
        and _is_number(rule.get("group_id"), least=-(2**31))
        and _is_number(rule.get("quorum"), least=1)
    )


def _is_policy(policy: Any) -> bool:
    return isinstance(policy, dict) and all(
        isinstance(policy.get(name), kind)
        for name, kind in (("id", str), ("governs", str), ("version", int))
    )


def _is_options(options: Any) -> bool:
    return isinstance(options, dict) and all(
        options.get(name) is None or _is_number(options[name], most=_LONGEST_S)
        for name in _DURATIONS
    )


def _is_number(value: Any, *, least: int = 0, most: int = 2**31 - 1) -> bool:
    return type(value) is int and least <= value <= most
