"""What must hold for every command, and after every sequence of what people do."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest
from django.contrib.auth.models import Group, User
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from apikeys.commands import CreateCustomer, DisableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve, Deny, TakeBack
from approvals.models import ApprovalRequest, Policy, Rule
from approvals.models.states import RequestStatus
from approvals.requests import listing
from approvals.requests.presentation import present
from approvals.requests.statuses import statuses_of
from approvals.sealing import payloads
from audit.actors.actors import SYSTEM, actor_for_user
from audit.bus import handling
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.classes import Command, secret_fields
from audit.messages.exceptions import CommandError, Invalid
from audit.models.records import CommandRecord
from audit.outside import outside_command
from tests.conftest import KEY_PERMISSIONS, completed, create_key, member, new_approver, policy
from tests.tampering import let_time_pass
from tests.wiping import wipe

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
VALUES: dict[Any, Any] = {
    bool: st.booleans(),
    int: st.integers(0, 2**31 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: TEXT,
    UUID: st.uuids(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=4),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
    timedelta: st.timedeltas(timedelta(), timedelta(days=400)),
}
# Far within what a field of JSON may hold.
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
).filter(lambda value: len(repr(value)) < 300)
NETWORKS = ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32"]
EVENT_TYPES = st.sampled_from(["*", "apikeys.*", "apikeys.enabled"])
# What a command takes beyond what its type says.
BY_FIELD = {
    "name": TEXT.filter(str.strip),
    "allowed_networks": st.lists(st.sampled_from(NETWORKS)).map(tuple),
    "overlap_seconds": st.integers(0, 604_800),
    "destination": st.sampled_from(["https://example.com/", "https://example.org/hooks?of=acme"]),
    "event_types": st.lists(EVENT_TYPES, min_size=1, max_size=3).map(tuple),
    "metadata": st.dictionaries(TEXT, st.none() | TEXT | st.lists(TEXT, max_size=2), max_size=2),
}
HOLDABLE = [
    command_class
    for command_class in handling.command_classes()
    if not secret_fields(command_class) and not command_class.message_type.startswith("test")
]


def values(annotation: Any) -> Any:
    """Draw values of a declared type."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return JSON_VALUES
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.none() | values(next(each for each in arguments if each is not NoneType))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(TEXT, values(arguments[1]), max_size=3)
    return VALUES[annotation]


def commands(command_class: type[Command]) -> Any:
    """Draw commands of a class."""
    hints = get_type_hints(command_class)
    drawn = {
        field.name: BY_FIELD[field.name] if field.name in BY_FIELD else values(hints[field.name])
        for field in fields(command_class)
    }
    return st.fixed_dictionaries(drawn).map(lambda drawn: built(command_class, drawn))


def built(command_class: type[Command], drawn: dict[str, Any]) -> Command:
    """Build a command, or have other values drawn where these contradict each other."""
    try:
        return command_class(**drawn)
    except Invalid:
        reject()


@pytest.mark.parametrize("command_class", HOLDABLE, ids=lambda each: each.message_type)
@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_shown_is_what_the_digest_covers_is_what_is_executed(command_class, data):
    command = data.draw(commands(command_class))
    request = ApprovalRequest(
        command_id=UUID(int=1), message_type=command.message_type, subject_number=0,
        requester_kind="system", requester_id="system", requester_label="system",
        requirements={"policies": [], "rules": [], "options": {}},
        digest=payloads.digest(command), approve_by=datetime(2027, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    sealed = payloads.seal(command, request.binding)
    request.payload, request.seal = sealed.payload, sealed.seal

    executed = request.command()
    (shown,) = present([request], actor=SYSTEM)

    assert executed == command
    assert payloads.digest(executed) == request.digest
    assert shown.command == command
    assert not shown.problem
    assert {name for name, _ in shown.fields} >= {
        name.replace("_", " ") for name in command.as_json()
    }


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            ["approve", "approve", "approve", "deny", "take_back", "leave", "join", "deactivate",
             "activate", "loosen", "raise", "drop_policy", "forbid", "permit", "expire"]
        ),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=10,
)  # fmt: skip


class World:
    """One held command, four people, and a model of who counts, kept beside the real thing."""

    stored_quorum = 2

    def __init__(self, owner: Any, acme: Any, dana: User, group: Group) -> None:
        self.owner, self.group = owner, group
        self.people = [new_approver(f"person{n}", acme, groups=[group]) for n in range(4)]
        self.policy = policy("apikeys.disable", group=group, quorum=self.stored_quorum)
        self.key = create_key(dana, acme, name="target")
        context = Context(actor=actor_for_user(dana))
        self.held = dispatch(DisableApiKey(api_key_id=self.key.id), context=context)
        self.standing: set[int] = set()
        self.is_expired = False

    @property
    def request(self) -> ApprovalRequest:
        return ApprovalRequest.objects.get(command_id=self.held.command_id)

    @property
    def quorum(self) -> int:
        """The approvals needed now: today's policy may require more than the stored one."""
        rules = Rule.objects.filter(policy=self.policy, policy__is_enabled=True)
        return max(self.stored_quorum, *rules.values_list("quorum", flat=True), 0)

    @property
    def is_forbidden(self) -> bool:
        """True while a policy forbids the command."""
        return Policy.objects.filter(effect="forbid", is_enabled=True).exists()

    def counting(self) -> set[int]:
        """Who approves, is active and belongs to the group at this instant."""
        live = User.objects.filter(is_active=True, groups=self.group, pk__in=self.standing)
        return set(live.values_list("pk", flat=True))

    def check_readers(self) -> None:
        """Assert that the status, the inbox and the stored voters agree with the model."""
        request = self.request
        if request.state != "denied":
            assert set(request.voters) == request.current_voters == self.standing
        active = set(User.objects.filter(is_active=True).values_list("pk", flat=True))
        members = set(self.group.user_set.values_list("pk", flat=True)) & active
        is_open = request.state == "pending" and not self.is_expired
        for person in User.objects.filter(pk__in=[each.pk for each in self.people]):
            needed = listing.needing_vote_of(actor_for_user(person)).exists()
            assert needed == (is_open and person.pk in members - self.standing)
        if is_open:
            assert statuses_of([request])[request.pk] == self._status(members)

    def _status(self, members: set[int]) -> RequestStatus:
        counting = self.counting()
        if self.is_forbidden or len(counting | members) < self.quorum:
            return RequestStatus.UNSATISFIABLE
        is_complete = len(counting) >= self.quorum
        return RequestStatus.APPROVED if is_complete else RequestStatus.WAITING

    def act(self, action: str, who: int) -> bool:
        """Do one thing; tell whether it was a vote that was taken."""
        person = User.objects.get(pk=self.people[who].pk)
        simple: dict[str, Callable[[], object]] = {
            "leave": person.groups.clear,
            "join": lambda: person.groups.add(self.group),
            "deactivate": lambda: User.objects.filter(pk=person.pk).update(is_active=False),
            "activate": lambda: User.objects.filter(pk=person.pk).update(is_active=True),
            "loosen": lambda: self._edit(quorum=1),
            "raise": lambda: self._edit(quorum=3),
            "drop_policy": lambda: self._disable(self.policy),
            "forbid": self._forbid,
            "permit": lambda: self._disable(*Policy.objects.filter(effect="forbid")),
            "expire": self._expire,
        }
        if action in simple:
            simple[action]()
            return False
        return self._vote(action, person)

    def _vote(self, action: str, person: User) -> bool:
        request = self.request
        known = {"approval_request_id": request.pk, "digest": request.digest}
        command = {"approve": Approve, "deny": Deny, "take_back": TakeBack}[action](**known)
        try:
            dispatch(command, context=Context(actor=actor_for_user(person), reason="Because"))
        except CommandError:
            return False
        change = self.standing.add if action == "approve" else self.standing.discard
        change(person.pk)
        return action == "approve"

    def _edit(self, *, quorum: int) -> None:
        with outside_command("Change the rule"):
            Rule.objects.filter(policy=self.policy).update(quorum=quorum)
            Policy.objects.get(pk=self.policy.pk).edit()

    def _forbid(self) -> None:
        policy("apikeys.disable", group=self.group, quorum=1, effect="forbid")

    def _disable(self, *policies: Policy) -> None:
        with outside_command("Disable policies"):
            enabled = [each.pk for each in policies]
            for present in Policy.objects.filter(pk__in=enabled, is_enabled=True):
                present.disable()

    def _expire(self) -> None:
        if self.request.state == "pending" and not self.is_expired:
            let_time_pass(self.owner, self.request)
            self.is_expired = True


@pytest.mark.sweep
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS)
def test_nothing_is_executed_unless_the_requirements_hold_at_that_instant_and_never_twice(
    actions, owner, superuser
):
    wipe(superuser)
    acme = completed(CreateCustomer(name="Acme"))
    dana = member("dana", acme, permissions=KEY_PERMISSIONS)
    world = World(owner, acme, dana, Group.objects.create(name="Security"))

    executed_before = False
    for action, who in actions:
        was_expired = world.is_expired
        took_approval = world.act(action, who)
        is_executed = not ApiKey.objects.get(pk=world.key.id).is_enabled
        if is_executed and not executed_before:
            assert took_approval
            assert not was_expired
            assert not world.is_forbidden
            assert len(world.counting()) >= world.quorum
        elif not is_executed and took_approval:
            assert len(world.counting()) < world.quorum
            assert not world.is_forbidden
        executed_before = is_executed
        world.check_readers()

    finals = CommandRecord.objects.filter(
        command_id=world.held.command_id, status__in=("succeeded", "cancelled")
    )
    assert finals.count() <= 1
    assert finals.filter(status="succeeded").exists() == executed_before
