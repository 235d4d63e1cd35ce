"""Matching: one person fills one slot of one rule, and nobody is booked on the wrong one."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from approvals.policies.slots import Slots, are_filled, fill

RULES = st.lists(
    st.tuples(st.integers(1, 3), st.frozensets(st.integers(1, 6), max_size=6)),
    min_size=1,
    max_size=3,
).map(lambda drawn: [Slots(str(n), quorum, people) for n, (quorum, people) in enumerate(drawn)])


def test_one_person_does_not_fill_two_rules():
    assert not are_filled([Slots("security", 1, {1}), Slots("owners", 1, {1})])
    assert are_filled([Slots("security", 1, {1, 2}), Slots("owners", 1, {1})])


def test_a_person_who_fits_two_rules_is_moved_to_the_one_without_others():
    rules = [Slots("security", 2, {1, 2, 3}), Slots("owners", 1, {1})]

    assert fill(rules) == {"security": {2, 3}, "owners": {1}}


def test_no_rules_are_never_met():
    assert not are_filled([])


@given(RULES)
def test_it_finds_as_many_as_any_other_way_of_assigning(rules):
    slots = [rule.people for rule in rules for _ in range(rule.quorum)]
    people = sorted(set().union(*slots))
    padded = [*people, *[0] * len(slots)]
    best = (
        max(
            sum(person in slot for person, slot in zip(order, slots, strict=False))
            for order in set(permutations(padded, len(slots)))
        )
        if len(slots) <= 4
        else None
    )

    filled = fill(rules)

    assert all(filled[rule.rule] <= set(rule.people) for rule in rules)
    assert sum(map(len, filled.values())) == len(set().union(*filled.values()))
    assert all(len(filled[rule.rule]) <= rule.quorum for rule in rules)
    if best is not None:
        assert sum(map(len, filled.values())) == best


def test_a_quorum_takes_no_more_memory_than_there_are_people():
    rules = [Slots("security", 9_999_999_999_999, {1, 2}), Slots("owners", 1, {2})]

    assert sum(map(len, fill(rules).values())) == 2
    assert not are_filled(rules)
