"""The filter of requests that need a vote, compared with the one definition of eligibility."""

import os
from contextlib import suppress
from datetime import timedelta

from django.contrib.auth.models import Group, User
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apikeys.commands import CreateCustomer, DisableApiKey, RotateApiKey, UpdateApiKey
from approvals.models import ApprovalRequest, Policy
from approvals.people.commands import AddToGroup
from approvals.requests import listing
from approvals.requests.approvers import needing_vote
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError
from audit.outside import outside_command
from tests.approvals.delegating import delegated
from tests.conftest import (
    APPROVER_PERMISSIONS,
    KEY_PERMISSIONS,
    actor,
    approved,
    completed,
    create_key,
    member,
    policy,
)
from tests.tampering import tamper
from tests.wiping import wipe

EXAMPLES = int(os.environ.get("FILTER_EXAMPLES", "5"))
COMMANDS = [
    lambda key: DisableApiKey(api_key_id=key.id),
    lambda key: RotateApiKey(api_key_id=key.id, overlap_seconds=0),
    lambda key: UpdateApiKey(api_key_id=key.id, name="another"),
]
GOVERNED = ["apikeys.disable", "apikeys.rotate", "apikeys.*"]
FIELDS = [
    {},
    {},
    {"minimum_membership": timedelta(days=1)},
    {"minimum_membership": timedelta(microseconds=1)},
    {"requester_may_vote": True},
    {"condition": "subject.name == 'first'"},
    {"tenant": "elsewhere"},
    {"effect": "forbid"},
]
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["ask", "ask", "ask", "govern", "govern", "permit", "join", "leave", "bar", "delegate",
             "vote", "vote", "unlist"]
        ),
        *[st.integers(0, 63)] * 3,
    ),
    min_size=8,
    max_size=24,
)  # fmt: skip


class World:
    """Four people who request and approve, two groups, and two keys."""

    def __init__(self, owner):
        self.owner = owner
        acme = completed(CreateCustomer(name="Acme"))
        permissions = (*KEY_PERMISSIONS, *APPROVER_PERMISSIONS)
        self.people = [
            member(f"person{place}", acme, permissions=permissions, is_staff=True)
            for place in range(4)
        ]
        self.groups = [Group.objects.create(name=name) for name in ("Security", "Legal")]
        # By a command, so the time of joining is known.
        for person in self.people[:2]:
            completed(AddToGroup(user_id=person.pk, group_id=self.groups[0].pk))
        self.groups[1].user_set.add(self.people[2])
        self.keys = [create_key(self.people[0], acme, name=name) for name in ("first", "second")]
        delegated(self.people[1], self.people[3], groups=self.groups[:1])
        policy("apikeys.*", group=self.groups[0], quorum=2)
        self.all_seeing = actor(User.objects.create_superuser("all"))
        self.ask(2, 0, 0)

    def act(self, action, *numbers):
        """Do one thing; a command may be refused."""
        with suppress(CommandError):
            getattr(self, action)(*numbers)

    def ask(self, person, command, key):
        context = Context(actor=actor(self._one(self.people, person)))
        dispatch(self._one(COMMANDS, command)(self._one(self.keys, key)), context=context)

    def govern(self, governs, group, fields):
        chosen = self._one(FIELDS, fields)
        policy(
            self._one(GOVERNED, governs), group=self._one(self.groups, group), quorum=1, **chosen
        )

    def permit(self, number, *_):
        with outside_command("Disable a policy"):
            for each in Policy.objects.order_by("pk")[number % 4 :][:1]:
                if each.is_enabled:
                    each.disable()

    def join(self, person, group, _):
        self._one(self.people, person).groups.add(self._one(self.groups, group))

    def leave(self, person, group, _):
        self._one(self.people, person).groups.remove(self._one(self.groups, group))

    def bar(self, person, field, _):
        name = self._one(["is_active", "is_staff"], field)
        User.objects.filter(pk=self._one(self.people, person).pk).update(**{name: False})

    def delegate(self, delegator, delegate, group):
        one, other = (self._one(self.people, each) for each in (delegator, delegate))
        delegated(one, other, groups=[self._one(self.groups, group)])

    def vote(self, person, number, _):
        for request in self._request(number):
            approved(request, self._one(self.people, person))

    def unlist(self, number, column, _):
        """Make a request one of an earlier version, without voters or groups."""
        for request in self._request(number):
            name = self._one(["voters", "approver_groups"], column)
            setattr(request, name, None)
            request.seal_row()
            tamper(self.owner, request, **{name: None}, row_seal=request.row_seal)

    def check(self, person):
        """Compare the lists of a person with the one definition of eligibility."""
        who = actor(person)
        pending = list(listing.pending_for(self.all_seeing))
        needing = needing_vote(pending, person_id=person.pk)
        assert set(listing.needing_vote_of(who).ids()) == needing
        assert listing.count_needing_vote_of(who, most=100) == len(needing)
        watched = {each.pk for each in listing.watched_by(who)}
        assert watched == {each.pk for each in listing.pending_for(who)} - needing

    def _request(self, number):
        """Return one of the first requests, if there is one."""
        return ApprovalRequest.objects.order_by("pk")[number % 4 :][:1]

    def _one(self, of, number):
        return of[number % len(of)]


# To build a world and the SQL of the lists takes longer than anything that happens in it, so one
# person's lists are compared after each action, and everyone's at the end.
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS)
def test_the_filter_finds_what_the_definition_of_eligibility_does(actions, owner, superuser):
    wipe(superuser)
    world = World(owner)

    for place, action in enumerate(actions):
        world.act(*action)
        world.check(world.people[place % len(world.people)])
    for person in world.people:
        world.check(person)
