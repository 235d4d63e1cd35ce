"""Assignment of approvers to rules: each person counts for one rule, and as many as possible count.

A greedy assignment may put a person who fits two rules on the one that others could have filled. A
maximum matching never does that (augmenting paths; H. W. Kuhn, The Hungarian Method for the
Assignment Problem, 1955).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from approvals.models import ApprovalRequest, Decision
from approvals.models.eligibility import Delegated, Members, delegated_rights, taken_places
from approvals.passkeys.votes import Signatures


class Slots(NamedTuple):
    """A rule, its quorum, and the people who may count for it."""

    rule: str
    quorum: int
    people: AbstractSet[int]


def fill(rules: Sequence[Slots]) -> Mapping[str, set[int]]:
    """Return for each rule the people who fill its slots: as many as possible, each in one rule."""
    # At most as many slots as people: a stored quorum may be any number.
    slots = [
        (rule, number) for rule in rules for number in range(min(rule.quorum, len(rule.people)))
    ]
    holders: dict[int, int] = {}

    def seat(slot: int, tried: set[int]) -> bool:
        """Return True if a person was found for the slot, after moving others if needed."""
        for person in sorted(slots[slot][0].people):
            if person not in tried:
                tried.add(person)
                if person not in holders or seat(holders[person], tried):
                    holders[person] = slot
                    return True
        return False

    for slot in range(len(slots)):
        seat(slot, set())
    filled: dict[str, set[int]] = {rule.rule: set() for rule in rules}
    for person, slot in holders.items():
        filled[slots[slot][0].rule].add(person)
    return filled


def are_filled(rules: Sequence[Slots]) -> bool:
    """Return True if every rule has its quorum."""
    filled = fill(rules)
    return bool(rules) and all(len(filled[rule.rule]) >= rule.quorum for rule in rules)


def united(rules: Sequence[Slots], others: Sequence[Slots]) -> list[Slots]:
    """Return the rules with the people of the same ones among others added."""
    more = {each.rule: each.people for each in others}
    return [
        Slots(rule.rule, rule.quorum, {*rule.people, *more.get(rule.rule, ())}) for rule in rules
    ]


def slots_for(
    requirements: dict[str, Any], *, requester: str, people_of: Callable[[int], set[int]]
) -> list[Slots]:
    """Return the people of each rule's group; the requester only if the options allow it."""
    may_vote = requirements.get("options", {}).get("requester_may_vote")
    without = set() if may_vote else {int(requester or 0)}
    return [
        Slots(rule["id"], rule["quorum"], people_of(rule["group_id"]) - without)
        for rule in requirements["rules"]
    ]


class Electorate:
    """The eligible approvers of requests, by at most two queries, for any number of requests.

    Slots are filled by places: a vote of a delegate counts as that of the delegator. Given a time,
    those who may vote are those of that time.
    """

    def __init__(
        self, requests: Collection[ApprovalRequest], *, at: datetime | None = None
    ) -> None:
        groups = {group for each in requests for group in each.group_ids}
        tenants, pks = {each.tenant for each in requests}, [each.pk for each in requests]
        self.members = Members(groups, tenants=tenants, requests=pks, at=at)
        self._signatures = Signatures(requests)
        self._voted: dict[UUID, list[Slots]] = {}

    def eligible(self, request: ApprovalRequest) -> list[Slots]:
        """Return, for each rule of a request, the people who may approve for it by membership."""
        return self._slots(request, self.members.eligible)

    def voters(self, request: ApprovalRequest) -> list[Slots]:
        """Return, for each rule of a request, the people who may vote now, with delegates."""
        return _with_delegates(self.eligible(request), self._delegated(request))

    def unvoted(self, request: ApprovalRequest) -> list[Slots]:
        """Return, for each rule of a request, the people whose place has no vote yet."""
        taken = self._taken(request) | request.current_voters
        return [slot._replace(people=slot.people - taken) for slot in self.eligible(request)]

    def still_to_vote(self, request: ApprovalRequest) -> list[Slots]:
        """Return, for each rule of a request, the people who can vote now and have not voted."""
        return _with_delegates(self.unvoted(request), self.open_to(request))

    def of_person(self, request: ApprovalRequest, person_id: int) -> list[Slots]:
        """Return, for each rule of a request, the place that a vote of the person would take."""
        own = self._slots(request, self.members.counting, among={person_id})
        if any(slot.people for slot in own):
            return own
        found = (each for each in self.open_to(request) if each.delegate_id == person_id)
        right = next(found, None)
        if right is None:
            return own
        place = {right.delegation.delegator_id}
        return [each._replace(people=place if each.rule in right.rules else set()) for each in own]

    def voted(self, request: ApprovalRequest) -> list[Slots]:
        """Return, for each rule of a request, the people whose approval could count for it now.

        An approval counts if the vote is genuine and on the request's digest, and its voter is
        still eligible, or the delegator is, and did not end the delegation. It has to be signed if
        the request requires that. Votes are read once.
        """
        if request.pk not in self._voted:
            self._voted[request.pk] = self._count(request)
        return self._voted[request.pk]

    def counted(self, requests: Iterable[ApprovalRequest]) -> dict[UUID, dict[str, int]]:
        """Return, for each rule of each request, the number of people whose approval counts now."""
        filled = {each.pk: fill(self.voted(each)) for each in requests}
        return {
            pk: {rule: len(people) for rule, people in rules.items()}
            for pk, rules in filled.items()
        }

    def _slots(
        self,
        request: ApprovalRequest,
        people_of: Callable[..., set[int]],
        *,
        among: Collection[int] | None = None,
    ) -> list[Slots]:
        minimum_s = int(request.options.get("minimum_membership_s", 0))
        slots = slots_for(
            request.required,
            requester=request.requester_person,
            people_of=partial(people_of, tenant=request.tenant, minimum_s=minimum_s),
        )
        if among is None:
            return slots
        return [Slots(each.rule, each.quorum, each.people & set(among)) for each in slots]

    def _count(self, request: ApprovalRequest) -> list[Slots]:
        approvals = [
            vote
            for vote in request.current_votes()
            if vote.decision == Decision.APPROVE
            and vote.digest == request.digest
            and self._signatures.suffice(vote, request)
        ]
        own = {vote.voter_id for vote in approvals if not vote.delegation_id}
        if len(own) == len(approvals):
            return self._slots(request, self.members.counting, among=own)
        groups: defaultdict[int, set[int]] = defaultdict(set)
        standing = self.members.standing(tenant=request.tenant)
        for vote in approvals:
            if vote.delegation_id and self.members.allows(vote, tenant=request.tenant):
                groups[vote.place_id].update(standing[vote.delegation_id].groups)
        group_of = {rule["id"]: rule["group_id"] for rule in request.required["rules"]}
        return [
            slot._replace(
                people={
                    each
                    for each in slot.people
                    if each in own or group_of[slot.rule] in groups[each]
                }
            )
            for slot in self._slots(request, self.members.counting, among=own | groups.keys())
        ]

    def _delegated(self, request: ApprovalRequest) -> list[Delegated]:
        """Return the rights of those who may vote by delegation only."""
        found = delegated_rights(
            request.required,
            self.members,
            tenant=request.tenant,
            requester_person=request.requester_person,
        )
        own = everyone(self.eligible(request)) if found else set()
        return [each for each in found if each.delegate_id not in own]

    def open_to(self, request: ApprovalRequest) -> list[Delegated]:
        """Return those of these rights whose delegate, and whose place, have no vote yet."""
        taken, voted = self._taken(request), request.current_voters
        return [
            each
            for each in self._delegated(request)
            if each.delegation.delegator_id not in taken and each.delegate_id not in voted
        ]

    def _taken(self, request: ApprovalRequest) -> set[int]:
        return taken_places(request.current_votes(), self.members, tenant=request.tenant)


def everyone(slots: Iterable[Slots]) -> set[int]:
    """Return the people who may fill any of the slots."""
    return set().union(*(slot.people for slot in slots))


def approvers(request: ApprovalRequest) -> dict[str, list[int]]:
    """Return for each rule the people whose places meet it now; empty if one is not met."""
    voted = Electorate([request]).voted(request)
    filled = fill(voted)
    if not voted or any(len(filled[rule.rule]) < rule.quorum for rule in voted):
        return {}
    return {rule: sorted(people) for rule, people in filled.items()}


def _with_delegates(slots: Sequence[Slots], rights: Sequence[Delegated]) -> list[Slots]:
    """Return the slots with the delegates of those who may vote for them."""
    return [
        slot._replace(
            people={*slot.people, *(each.delegate_id for each in rights if slot.rule in each.rules)}
        )
        for slot in slots
    ]
