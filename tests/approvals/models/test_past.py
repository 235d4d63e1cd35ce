"""Who may vote as of a time in the past, compared with what the same rule answered then."""

import random
import time
from contextlib import suppress
from datetime import timedelta

from django.contrib.auth.models import Group, User
from django.utils import timezone

from apikeys.commands import AddMember
from apikeys.models import Membership
from approvals.delegations.commands import EndDelegation
from approvals.models import ApprovalRequest, Delegation, Policy
from approvals.models.eligibility import Members
from approvals.people import commands as people
from approvals.policies import commands as policies
from audit.actors.actors import SYSTEM
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Postponed
from audit.outside import outside_command
from audit.sessions.commands import ChangePassword
from tests.approvals.delegating import delegated
from tests.conftest import PASSWORD, actor, approved, completed, new_approver


def live(customers, *, at=None):
    """Return all that the definition says about every group, customer and policy."""
    groups = list(Group.objects.values_list("pk", flat=True))
    tenants = ["", *(str(each.pk) for each in customers)]
    members = Members(groups, tenants=tenants, at=at)
    return {
        "eligible": {
            (group, tenant, minimum): members.eligible(group, tenant=tenant, minimum_s=minimum)
            for group in groups
            for tenant in tenants
            for minimum in (0, 3_600)
        },
        "counting": {(g, t): members.counting(g, tenant=t) for g in groups for t in tenants},
        "active": {group: members.active(group) for group in groups},
        "delegations": {
            tenant: [each.pk for each in members.delegations(tenant=tenant)] for tenant in tenants
        },
        "policies": [
            (each.pk, each.version, each.is_enabled, each.options, each.current_rules, each.problem)
            for each in Policy.objects.governing(["apikeys.disable", "*"], at=at)
        ],
    }


def test_it_is_what_it_was_whatever_has_changed_since(acme, globex, security, policy_owners):
    others = [completed(people.CreateGroup(group_name=name)) for name in ("Blue", "Red")]
    staff = [new_approver(name, acme, groups=[security]) for name in ("ann", "bob", "cleo", "dirk")]
    chance = random.Random(20261201)
    world = World(chance, staff, [security, *others], [acme, globex], policy_owners)

    moments = []
    for step in range(90):
        with suppress(CommandError):
            world.act()
            # A time between two commands, on the same clock.
            time.sleep(0.003)
            moments.append((step, timezone.now(), live([acme, globex])))
            time.sleep(0.003)

    assert len(moments) > 50
    assert live([acme, globex], at=timezone.now()) == moments[-1][2]
    assert len({str(answer) for _, _, answer in moments}) > 10
    for step, at, answer in moments:
        assert live([acme, globex], at=at) == answer, step


class World:
    """The people, groups and customers that random commands change."""

    def __init__(self, chance, staff, groups, customers, owners):
        self.chance, self.staff, self.groups = chance, staff, groups
        self.customers, self.owners, self.made = customers, owners, []

    def act(self):
        """Send one command, or a few, of a random kind."""
        self.person = self.chance.choice([*self.staff, *self.made])
        self.group = self.chance.choice(self.groups)
        names = ("approvals.view_approvalrequest", "audit.view_every_tenant")
        self.permission = self.chance.choice(names)
        self.customer = self.chance.choice(self.customers)
        self.chance.choice(ACTS)(self)

    def done(self, command):
        """Send a command, and have the owners approve it if it is held."""
        outcome = dispatch(command, context=Context(actor=SYSTEM, reason="a test"))
        if isinstance(outcome, Postponed):
            request = ApprovalRequest.objects.get(command_id=outcome.command_id)
            approved(request, *self.owners[:2])

    def flag(self):
        return self.chance.random() < 0.6


def _move(world):
    kind = world.chance.choice((people.AddToGroup, people.RemoveFromGroup))
    world.done(kind(user_id=world.person.pk, group_id=world.group.pk))


def _activate(world):
    world.done(people.SetAccountStatus(user_id=world.person.pk, is_active=world.flag()))


def _admit(world):
    world.done(people.SetAdminAccess(user_id=world.person.pk, is_staff=world.flag()))


def _grant(world):
    kind = world.chance.choice((people.GrantPermission, people.RevokePermission))
    world.done(kind(user_id=world.person.pk, permission=world.permission))


def _grant_to_group(world):
    kind = world.chance.choice((people.GrantGroupPermission, people.RevokeGroupPermission))
    world.done(kind(group_id=world.group.pk, permission=world.permission))


def _let_see(world):
    if world.flag():
        world.done(AddMember(customer_id=world.customer.pk, user_id=world.person.pk))
        return
    with outside_command("A customer without this person"):
        Membership.objects.filter(customer=world.customer, user=world.person).delete()


def _change_policy(world):
    found = Policy.objects.filter(is_enabled=True).first()
    draft = {
        "governs": "apikeys.disable",
        "groups": (world.group.pk,),
        "quorums": (world.chance.randint(1, 2),),
    }
    if found is None:
        world.done(policies.CreatePolicy(**draft))
    elif world.flag():
        minimum = timedelta(days=world.chance.randint(0, 2))
        world.done(policies.EditPolicy(policy_id=found.pk, minimum_membership=minimum, **draft))
    else:
        world.done(policies.DisablePolicy(policy_id=found.pk))


def _delegate(world):
    groups = list(User.objects.get(pk=world.person.pk).groups.all()[:1])
    if groups:
        delegated(world.person, world.chance.choice(world.staff), groups=groups)


def _end_delegation(world):
    for row in Delegation.objects.order_by("-pk")[:1]:
        context = Context(actor=actor(row.delegator))
        completed(EndDelegation(delegation_id=row.pk), context=context)


def _reset_password(world):
    world.done(people.RequirePasswordReset(user_id=world.person.pk))


def _change_password(world):
    command = ChangePassword(user_id=world.person.pk, password=PASSWORD)
    completed(command, context=Context(actor=actor(world.person)))


def _create_user(world):
    name = f"user{world.chance.random()}"
    world.done(people.CreateUser(username=name))
    world.made.append(User.objects.get(username=name))


def _delete_user(world):
    if world.made:
        world.done(people.DeleteUser(user_id=world.made.pop(0).pk))


ACTS = (
    *(_move, _move, _activate, _admit, _grant, _grant_to_group, _let_see, _change_policy),
    *(_delegate, _end_delegation, _reset_password, _change_password, _create_user, _delete_user),
)
