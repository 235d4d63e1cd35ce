"""JSON shapes of approval requests and policies."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeAlias, TypedDict, cast

from django.utils.duration import duration_iso_string

from approvals.models import Decision, Effect, Policy, Rule, State
from approvals.models.states import ALTERED, RequestStatus
from approvals.requests import effects
from approvals.requests.correspondence import comments_on
from approvals.requests.pending import page_url, request_url
from approvals.requests.presentation import Ballot, Presented
from approvals.rest.relations import FromEvents, from_events
from audit.actors.actors import Actor
from audit.rest.references import (
    ActorReference,
    Address,
    CommandReference,
    Keyword,
    Reference,
    Uuid,
    Version,
    address,
    one_of,
    reference,
    resource,
    status_url,
)

ExpectedEffect: TypeAlias = Annotated[str | None, Keyword("pattern", effects.PATTERN)]
Duration: TypeAlias = Annotated[str, "ISO 8601, such as PT48H."]
_LENGTHS = ("minimum_membership", "approve_within", "execute_within")


class RequirementResource(TypedDict):
    """A rule of a request: approvals needed from a group, and current approvals."""

    rule: str
    group: str
    needed: int
    have: int


class VoteResource(TypedDict):
    """A vote. It is no longer current if it was taken back or its voter has voted again."""

    voter: str
    in_place_of: Annotated[str | None, "The delegator, if the voter is a delegate."]
    decision: Annotated[str, one_of(Decision.values)]
    comment: str
    cast_at: datetime
    stands: bool


class EvidenceFile(TypedDict):
    """Evidence of a request, signed with Ed25519: exactly the bytes of the body are signed."""

    format: str
    evidence: dict[str, Any]
    public_key: str
    signature: str


class CommentResource(TypedDict):
    """A comment of the requester or of an approver, in the order of the list."""

    author: str
    comment: str
    commented_at: datetime


class MyVote(TypedDict):
    """The caller's right to vote, or the reason why there is none."""

    may: bool
    why: str
    in_place_of: Annotated[str | None, "The delegator, if the caller would vote as a delegate."]


class Effects(TypedDict):
    """The effect of each decision, were the caller to make it now; null if the caller may not.

    ``needs_2_more`` means that two more approvals are needed after the caller's.
    """

    approve: ExpectedEffect
    deny: ExpectedEffect
    request_changes: ExpectedEffect
    take_back: ExpectedEffect
    withdraw: ExpectedEffect
    retry: ExpectedEffect


class ApprovalRequestInList(TypedDict):
    """A command that needs approval: waiting, or decided."""

    id: Uuid
    url: Address
    version: Version
    state: Annotated[str, one_of([*State.values, ALTERED])]
    status: Annotated[
        Annotated[str, one_of(RequestStatus.values)],
        "More than the state: a pending request is waiting, approved (and about to be executed), "
        "scheduled (approved, and executed later) or "
        "unsatisfiable; an executed one may have a secret_to_pick_up.",
    ]
    what: Annotated[str | None, "The effect in one sentence; null if it cannot be verified."]
    problem: Annotated[str | None, "The reason why it cannot be verified."]
    warnings: Annotated[
        list[str],
        "Reasons why it would fail even if approved, and names that it is easily confused with.",
    ]
    type: Annotated[str, "The command type, such as apikeys.disable."]
    command: CommandReference
    subject: Reference | None
    tenant: str | None
    requester: ActorReference
    reason: str
    channel: str
    requested_at: datetime
    approve_by: Annotated[
        datetime, "The deadline for approval; in the year 9998 if the request has to be decided."
    ]
    execute_after: Annotated[
        datetime | None, "Once it is approved, it waits until then; null if it does not wait."
    ]
    pick_up_by: Annotated[
        datetime | None, "The deadline for picking up the secret; null if there is none to pick up."
    ]
    requirements: list[RequirementResource]
    digest: Annotated[str, "Covers exactly the command that would be executed."]


class ApprovalRequestResource(ApprovalRequestInList, FromEvents):
    """A request in full, with its votes and the caller's own options."""

    votes: list[VoteResource]
    my_vote: MyVote
    number: Annotated[int, "The number of the request's last event: send it with a decision."]
    effects: Effects
    page_url: Annotated[str, "The page of the request for its requester, in a browser."]
    outcome: str
    outcome_code: Annotated[
        str | None,
        "The kind of outcome, if the state has several: changes_requested for a denial that "
        "requests changes.",
    ]
    comments: list[CommentResource]


class RuleResource(TypedDict):
    """A group and the number of its members who have to approve."""

    id: Uuid
    group: str
    quorum: int


class PolicyResource(TypedDict):
    """A policy: commands that are held, forbidden or allowed, and their approvers."""

    id: Uuid
    url: Address
    version: Version
    governs: str
    tenant: str | None
    condition: str
    effect: Annotated[str, one_of(Effect.values)]
    message: str
    rules: list[RuleResource]
    requester_may_vote: bool
    requester_reason_required: bool
    approver_reason_required: bool
    signed_votes: Annotated[bool, "True if approvers must sign their votes with a passkey."]
    minimum_membership: Duration | None
    approve_within: Duration | None
    execute_within: Duration | None
    one_open_request: bool
    enabled: bool
    problem: Annotated[str | None, "The reason why what it governs is refused: it was altered."]


class PolicyList(TypedDict):
    """The policies that the caller may see."""

    results: list[PolicyResource]


def approval_request(presented: Presented, *, actor: Actor) -> ApprovalRequestResource:
    """Return the JSON of one request in full, with what the caller may do about it."""
    request = presented.request
    cast = sorted(request.votes.all(), key=lambda vote: vote.cast_at)
    current = {vote.pk for vote in request.current_votes()}
    mine = Ballot(presented, actor=actor)
    return {
        **approval_request_in_list(presented),
        "warnings": [*mine.warnings, *filter(None, [presented.likeness])],
        "votes": [
            resource(
                VoteResource,
                vote,
                voter=vote.voter_label,
                in_place_of=vote.delegator_label or None,
                stands=vote.pk in current,
            )
            for vote in cast
        ],
        "my_vote": {
            "may": mine.may_deny,
            "why": mine.obstacle,
            "in_place_of": mine.delegation.delegator_label if mine.delegation else None,
        },
        "number": request.number,
        "effects": _effects(mine),
        "page_url": page_url(request.pk),
        "outcome": request.outcome,
        "outcome_code": request.outcome_code or None,
        "comments": [
            {"author": each.actor_label, "comment": each.reason, "commented_at": each.received_at}
            for each in comments_on(request)
        ],
        **from_events(request),
    }


def approval_request_in_list(presented: Presented) -> ApprovalRequestInList:
    """Return the JSON of a request in a list. Unverified content is not put into a sentence."""
    request = presented.request
    requester = {name: getattr(request, f"requester_{name}") for name in ("kind", "id", "label")}
    return resource(
        ApprovalRequestInList,
        request,
        id=str(request.pk),
        url=request_url(request.pk),
        version=request.number,
        state=request.present_state,
        status=presented.status.value,
        what=None if presented.problem else presented.sentence,
        problem=presented.problem or None,
        warnings=[*presented.flags, *filter(None, [presented.likeness])],
        type=request.message_type,
        command={"id": str(request.command_id), "url": status_url(request.command_id)},
        subject=reference(request.subject_type, request.subject_id),
        tenant=request.tenant or None,
        requester=requester,
        requirements=_requirements(presented),
    )


def policy(found: Policy, *, number: int) -> PolicyResource:
    """Return the JSON of a policy, whose rules and groups are already fetched.

    ``number`` is that of its last event.
    """
    lengths = {name: _duration(getattr(found, name)) for name in _LENGTHS}
    return resource(
        PolicyResource,
        found,
        id=str(found.pk),
        url=address("countersign:policy", "policy_id", found.pk),
        version=number,
        tenant=found.tenant or None,
        rules=_rules(found.present_rules()),
        enabled=found.is_enabled,
        problem=found.problem or None,
        **lengths,
    )


def _effects(mine: Ballot) -> Effects:
    found: Any = {name: mine.effects.get(name) for name in Effects.__annotations__}
    return cast("Effects", found)


def _requirements(presented: Presented) -> list[RequirementResource]:
    rules = presented.request.required["rules"]
    return [
        {"rule": rule["id"], "group": need.group, "needed": need.needed, "have": need.have}
        for rule, need in zip(rules, presented.requirements, strict=True)
    ]


def _rules(rules: Iterable[Rule]) -> list[RuleResource]:
    return [
        {"id": str(rule.pk), "group": rule.group.name, "quorum": rule.quorum}
        for rule in sorted(rules, key=lambda rule: rule.pk)
    ]


def _duration(length: timedelta | None) -> str | None:
    return duration_iso_string(length) if length else None
