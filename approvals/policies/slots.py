"""Assignment of approvers to rules: each person counts for one rule, and as many as possible count.

A greedy assignment may put a person who fits two rules on the one that others could have filled. A
maximum matching never does that (augmenting paths; H. W. Kuhn, The Hungarian Method for the
Assignment Problem, 1955).
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple


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
