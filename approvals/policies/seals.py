"""Sealed versions of policies: rows that differ from them, and the changes that edits make."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from django.contrib.auth.models import Group

from approvals.models import Policy, PolicySeal
from approvals.policies.commands import EditPolicy
from audit.messages.characters import quoted, quoted_text
from audit.pages.labels import shown_in

_SEAL = "Compare it with its history, then run manage.py approvals_seal."
_RESTORE = "Find out who changed it, then run manage.py approvals_seal --restore {}."


# Columns with text from users.
_TEXTS = ("condition", "message")
_NONE = "none"
#: Groups, each with its quorum.
Rules: TypeAlias = list[tuple[int, int]]


class Edit(NamedTuple):
    """An edit of a policy, and the version that it is compared with: None is the newest."""

    command: EditPolicy
    version: int | None


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


def changes(edits: Mapping[UUID, Edit]) -> dict[UUID, str]:
    """Return the changes that edits of policies make, as text: two queries for any number.

    An edit is left out if its version has no genuine seal.
    """
    before = _versions(edits.values())
    found = {key: before.get((edit.command.policy_id, edit.version)) for key, edit in edits.items()}
    known = {key: seal for key, seal in found.items() if seal is not None}
    after = [rules_of(edits[key].command) for key in known]
    names = group_names([*map(sealed_rules, known.values()), *after])
    return {key: _changes(seal, edits[key].command, names) for key, seal in known.items()}


def sealed_rules(seal: PolicySeal) -> Rules:
    return [(rule["group_id"], rule["quorum"]) for rule in seal.content["rules"]]


def rules_of(content: Any) -> Rules:
    """Return the rules in a command or an event with the content of a policy."""
    return list(zip(content.groups, content.quorums, strict=False))


def group_names(listed: Iterable[Rules]) -> dict[int, str]:
    """Return the names of the groups in some rules, by one query; by none without rules."""
    ids = {group for rules in listed for group, _ in rules}
    return dict(Group.objects.filter(pk__in=ids).values_list("pk", "name")) if ids else {}


def worded(rules: Rules, names: Mapping[int, str]) -> str:
    """Return the required approvals as text."""
    required = [(quorum, quoted(names.get(group, f"group {group}"))) for group, quorum in rules]
    return " and ".join(f"{quorum} of {group}" for quorum, group in required) or _NONE


def _versions(edits: Iterable[Edit]) -> dict[tuple[UUID, int | None], PolicySeal]:
    """Return the genuine seals of the versions before some edits, the newest also under None."""
    ids = {edit.command.policy_id for edit in edits}
    seals = PolicySeal.objects.filter(policy_id__in=ids).order_by("version") if ids else ()
    found: dict[tuple[UUID, int | None], PolicySeal] = {}
    for seal in seals:
        if seal.is_genuine:
            found[seal.policy_id, seal.version] = found[seal.policy_id, None] = seal
    return found


def _changes(seal: PolicySeal, command: EditPolicy, names: Mapping[int, str]) -> str:
    old, new = seal.columns(), command.columns()
    columns: list[Any] = [
        Policy._meta.get_field(name) for name in new if old.get(name) != new[name]
    ]
    told = [
        f"{column.verbose_name}: {_shown(column, old.get(column.name))}"
        f" → {_shown(column, new[column.name])}"
        for column in columns
    ]
    was, becomes = sealed_rules(seal), rules_of(command)
    if sorted(was) != sorted(becomes):
        told.append(f"approvals: {worded(was, names)} → {worded(becomes, names)}")
    return ", ".join(told)


def _shown(column: Any, value: Any) -> str:
    """Return a value for a sentence: text from users in quotation marks."""
    if value in ("", None):
        return _NONE
    return quoted_text(value) if column.name in _TEXTS else shown_in(column, value)
