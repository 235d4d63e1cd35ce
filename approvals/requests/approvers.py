"""Approvers of a request: those who voted, those who still can, and votes that no longer count."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import prefetch_related_objects

from approvals.models import ApprovalRequest, Decision, Policy, State, Vote
from approvals.models.states import CHANGES_REQUESTED, in_state
from approvals.models.votes import in_place
from approvals.policies import effective, evaluation
from approvals.policies import slots as matching
from approvals.policies.slots import everyone
from audit.actors import permissions
from audit.installation import users
from audit.messages.characters import actor_name, quoted
from audit.pages.safe_text import many_lines

_MOST_NAMES = 12
# Each of them sends e-mails.
_MOST_ADDED_TO = 100
_DID: dict[str, str] = {
    Decision.APPROVE: "approved",
    Decision.DENY: "denied",
    Decision.TAKE_BACK: "took back",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A rule of a request, the people whose votes count for it, and those who can still vote."""

    group: str
    quorum: int
    counting: list[str]
    open_to: list[str]
    is_unsatisfiable: bool

    @property
    def group_in_quotes(self) -> str:
        """The name of the group for a sentence."""
        return quoted(self.group)

    @property
    def missing(self) -> int:
        return max(self.quorum - len(self.counting), 0)

    @property
    def named(self) -> list[str]:
        """The people who can still vote, as many as fit on a page."""
        return self.open_to[:_MOST_NAMES]

    @property
    def unnamed(self) -> int:
        """The number of the other people who can still vote."""
        return len(self.open_to[_MOST_NAMES:])


@dataclass(frozen=True, slots=True, kw_only=True)
class CastVote:
    """A vote with its current effect, which ``status`` describes."""

    vote: Vote
    status: str
    counts: bool
    asks_for_changes: bool = False

    @property
    def did(self) -> str:
        """The decision as a verb in the past."""
        return "requested changes" if self.asks_for_changes else _DID[self.vote.decision]

    @property
    def comment(self) -> str:
        return many_lines(self.vote.comment)


class EligibleApprovers:
    """The eligible approvers of one request, read once: at most six queries, for any number."""

    def __init__(self, request: ApprovalRequest) -> None:
        self._request = request
        self._electorate = matching.Electorate([request])
        self._voted = self._electorate.voted(request)
        self._filled = matching.fill(self._voted)
        is_open = request.present_state is State.PENDING
        self._open = self._electorate.unvoted(request) if is_open else []
        self._others = self._electorate.still_to_vote(request) if is_open else []
        self._names = _names(self._everyone())
        self._voters = {
            vote.place_id: vote.names for vote in request.current_votes() if self._is_allowed(vote)
        }
        self._delegates = _names_of_delegates(self._electorate, request) if is_open else {}

    def needs(self) -> list[Need]:
        """Return the needs of the rules, in their order."""
        is_open = self._request.present_state is State.PENDING
        reachable = (
            matching.fill(matching.united(self._voted, self._open)) if is_open else self._filled
        )
        others = {slot.rule: slot.people for slot in self._others}
        return [
            Need(
                group=rule["group"],
                quorum=rule["quorum"],
                counting=self._named(self._filled[rule["id"]], labels=self._voters),
                open_to=self._named(others.get(rule["id"], ()), labels=self._delegates),
                is_unsatisfiable=is_open and len(reachable[rule["id"]]) < rule["quorum"],
            )
            for rule in self._request.required["rules"]
        ]

    def votes(self) -> list[CastVote]:
        """Return the votes in the order in which they were cast, each with its current effect."""
        current = {vote.pk for vote in self._request.current_votes()}
        cast = sorted(self._request.votes.all(), key=lambda vote: (vote.cast_at, vote.pk))
        return [self._effect(vote, is_current=vote.pk in current) for vote in cast]

    def _effect(self, vote: Vote, *, is_current: bool) -> CastVote:
        why_not = self._why_not(vote, is_current=is_current)
        rules = self._request.required["rules"]
        seated = self._filled if self._is_allowed(vote) else {}
        groups = [e["group"] for e in rules if vote.place_id in seated.get(e["id"], ())]
        return CastVote(
            vote=vote,
            status=why_not or _status(vote, groups),
            counts=not why_not and vote.decision != Decision.TAKE_BACK,
            asks_for_changes=vote.decision == Decision.DENY and self._was_to_change,
        )

    @property
    def _was_to_change(self) -> bool:
        return self._request.outcome_code == CHANGES_REQUESTED

    def _why_not(self, vote: Vote, *, is_current: bool) -> str:
        """Return the reason why a vote does not count; empty if it does."""
        if not vote.is_genuine:
            return "not genuine: does not count"
        if vote.decision == Decision.TAKE_BACK:
            return ""
        if not is_current:
            return "taken back: does not count"
        if vote.digest != self._request.digest:
            return "given for other content: does not count"
        is_seated = any(vote.place_id in slot.people for slot in self._voted)
        if (is_seated and self._is_allowed(vote)) or vote.decision == Decision.DENY:
            return ""
        return f"no longer counts: {self._what_changed(vote)}"

    def _what_changed(self, vote: Vote) -> str:
        name = actor_name(vote.voter_label)
        if vote.voter_id not in self._names:
            return f"{name} is no longer active"
        if not self._is_allowed(vote):
            return f"{name} may no longer vote for {actor_name(vote.delegator_label)}"
        members, name = self._electorate.members, actor_name(vote.place_label)
        if not any(vote.place_id in members.active(group) for group in self._request.group_ids):
            groups = ", ".join(quoted(rule["group"]) for rule in self._request.required["rules"])
            return f"{name} is no longer in {groups}"
        return f"{name} may no longer approve this"

    def _is_allowed(self, vote: Vote) -> bool:
        return self._electorate.members.allows(vote, tenant=self._request.tenant)

    def _everyone(self) -> set[int]:
        voters = {vote.voter_id for vote in self._request.votes.all()}
        return voters | everyone([*self._voted, *self._others])

    def _named(self, people: Collection[int], *, labels: dict[int, str]) -> list[str]:
        names = self._names | labels
        return sorted(names[person] for person in people if person in names)


def missing_after(requests: Collection[ApprovalRequest], *, person_id: int) -> Mapping[UUID, int]:
    """Return the number of approvals that each request still lacks once the person has approved it.

    For people who may vote; two queries for any number of requests.
    """
    electorate, missing = matching.Electorate(requests), {}
    for request in requests:
        voted = electorate.voted(request)
        filled = matching.fill(matching.united(voted, electorate.of_person(request, person_id)))
        missing[request.pk] = sum(slot.quorum - len(filled[slot.rule]) for slot in voted)
    return missing


def eligible_people(request: ApprovalRequest) -> set[int]:
    """Return the people who may vote on a request now."""
    effective.read([request])
    return everyone(matching.Electorate([request]).voters(request))


def remaining_people(request: ApprovalRequest) -> set[int]:
    """Return the people who can vote on a request now and have not voted."""
    effective.read([request])
    return everyone(matching.Electorate([request]).still_to_vote(request))


def added_by(policy: Policy, *, version: int) -> list[tuple[ApprovalRequest, set[int]]]:
    """Return waiting requests with the people who may vote on them because of a policy of today.

    Those are the most urgent requests, and the people whom that version of the policy added.
    """
    classes = evaluation.governed_by(policy.governs)
    names = [name for each in classes for name in (each.message_type, *each.aliases)]
    governed = ApprovalRequest.objects.filter(in_state(State.PENDING), message_type__in=names)
    urgent = governed.order_by("approve_by", "pk").prefetch_related("votes")[:_MOST_ADDED_TO]
    requests = [each for each in urgent if each.present_state is State.PENDING]
    effective.read(requests)
    electorate = matching.Electorate(requests)
    rules = {f"group:{group}" for group in policy.added_groups(version)}
    return [
        (each, everyone(slot for slot in electorate.voters(each) if slot.rule in rules))
        for each in requests
        if effective.is_required_since(policy, each, version=version)
    ]


def needing_vote(requests: Collection[ApprovalRequest], *, person_id: int) -> set[UUID]:
    """Return the ids of the pending requests on which a person may vote and has not voted."""
    prefetch_related_objects(list(requests), "votes")
    effective.read(requests)
    pending = [each for each in requests if each.present_state is State.PENDING]
    electorate = matching.Electorate(pending)
    return {each.pk for each in pending if person_id in everyone(electorate.still_to_vote(each))}


def remaining_approvers(requests: Collection[ApprovalRequest]) -> Mapping[UUID, list[str]]:
    """Return the names of the people who can still vote on each pending request."""
    pending = [each for each in requests if each.present_state is State.PENDING]
    electorate = matching.Electorate(pending)
    remaining = {each.pk: everyone(electorate.still_to_vote(each)) for each in pending}
    names = _names(set().union(*remaining.values()))
    labels = {each.pk: names | _names_of_delegates(electorate, each) for each in pending}
    return {
        pk: sorted(labels[pk][person] for person in people if person in names)
        for pk, people in remaining.items()
    }


def people_to_ask() -> list[str]:
    """Return the usernames of some people who may add people to groups."""
    managing = permissions.granted_to("approvals.manage_people").filter(is_active=True)
    field = users.name_field()
    return list(managing.order_by(field).values_list(field, flat=True)[:_MOST_NAMES])


def _names_of_delegates(
    electorate: matching.Electorate, request: ApprovalRequest
) -> dict[int, str]:
    """Return the names of the delegates who can vote now, each with that of the delegator."""
    # The oldest delegation comes first, and is used first.
    found = [each.delegation for each in electorate.open_to(request)][::-1]
    return {each.delegate_id: in_place(each.delegate_label, each.delegator_label) for each in found}


def _names(people: Collection[int]) -> dict[int, str]:
    """Return the names of the active people among these."""
    active = users.manager().filter(pk__in=people, is_active=True)
    return {person.pk: str(person) for person in active}


def _status(vote: Vote, groups: list[str]) -> str:
    match vote.decision:
        case Decision.APPROVE:
            return f"counts for {', '.join(map(quoted, groups))}" if groups else "not needed"
        case Decision.DENY:
            return "ended the request"
        case _:
            return "the previous vote"
