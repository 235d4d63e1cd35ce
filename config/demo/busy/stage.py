"""The stage of the month: its senders and their channels, and how commands are sent."""

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import log
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.utils import timezone

from apikeys.commands import CreateApiKey
from apikeys.models import ApiKey, Customer
from approvals.models import ApprovalRequest
from audit.actors import credentials
from audit.actors.actors import SYSTEM
from audit.bus.context import Context, RequestFacts
from audit.bus.dispatch import dispatch
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError, Forbidden
from audit.messages.outcomes import Outcome, Postponed
from config.demo.busy import texts
from config.demo.busy.agenda import Agenda, office_hours

_Choice = TypeVar("_Choice")


class Speaker(NamedTuple):
    """A sender of commands, with its channel."""

    kind: str
    id: str
    channel: str
    address: str | None = None
    user_agent: str = ""


THE_SYSTEM = Speaker(SYSTEM.kind, SYSTEM.id, "management")


@dataclass(frozen=True, kw_only=True)
class Firm:
    """A customer with the people and services that act for it."""

    customer: Customer
    people: dict[str, Speaker] = field(default_factory=dict)
    juniors: list[Speaker] = field(default_factory=list)
    robots: list[Speaker] = field(default_factory=list)

    @property
    def seniors(self) -> list[Speaker]:
        """Its people who may do everything with its keys."""
        return [each for each in self.people.values() if each not in self.juniors]

    def new_key(self, name: str, *, by: Speaker) -> CreateApiKey:
        """Return the creation of a key for the sender, or for a senior if that is a service."""
        owner = self.seniors[0] if by in self.robots else by
        return CreateApiKey(customer_id=self.customer.pk, owner_id=int(owner.id), name=name)


class Stage:
    """The state of the month: randomness, agenda and cast."""

    def __init__(self, agenda: Agenda, *, seed: str) -> None:
        # A fixed seed: every demo is the same.
        self.random = random.Random(seed)  # noqa: S311  # no secret
        self.agenda = agenda
        self.firms: dict[str, Firm] = {}
        self.security = Group.objects.get(name="Security").pk
        self._earlier_keys = frozenset(ApiKey.objects.values_list("pk", flat=True))
        self.approvers = {name: self.person(name, "admin") for name in ("ann", "bob", "olga")}

    def say(self, command: Command, *, by: Speaker, reason: str = "") -> Outcome | None:
        """Send a command; return None if it fails or is refused, or the sender is invalid."""
        with suppress(CommandError):
            return self.send(command, by=by, reason=reason)
        return None

    def send(self, command: Command, *, by: Speaker, reason: str = "") -> Outcome:
        """Send a command that should succeed.

        :raises CommandError: if it is refused or fails all the same.
        """
        return dispatch(command, context=self.context(by, reason=reason))

    def context(self, by: Speaker, *, reason: str = "") -> Context:
        actor = credentials.live_actor(by.kind, by.id)
        if actor is None:
            raise Forbidden(f"{by.kind} {by.id} is no longer valid")
        facts = RequestFacts(
            request_id=self.token()[:18] if by.address else "",
            client_address=by.address,
            user_agent=by.user_agent,
        )
        return Context(
            actor=actor,
            channel=by.channel,
            reason=reason,
            request=facts,
            idempotency_key=self.token() if by.channel == "v2" else None,
        )

    def ask(self, command: Command, *, by: Speaker, reason: str) -> ApprovalRequest | None:
        """Send a command that should be held; return its approval request, or None."""
        outcome = self.say(command, by=by, reason=reason)
        if not isinstance(outcome, Postponed) or outcome.is_repeat:
            return None
        return ApprovalRequest.of_command(outcome.command_id).get()

    def person(self, username: str, channel: str) -> Speaker:
        """Return a sender with an account, an IP address and a user agent."""
        user = User.objects.get(username=username)
        return self._speaker("user", user.pk, channel, network="198.51.100")

    def robot(self, api_key_id: UUID, channel: str) -> Speaker:
        return self._speaker("api_key", api_key_id, channel, network="203.0.113")

    def pick(self, choices: Sequence[_Choice]) -> _Choice:
        return self.random.choice(choices)

    def draw(self, weights: Mapping[_Choice, int]) -> _Choice:
        """Return one of the keys, each as often as its weight says."""
        (drawn,) = self.random.choices(list(weights), weights=list(weights.values()))
        return drawn

    def token(self) -> str:
        """Return a random UUID, such as a client would generate."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def later(self, *, median_minutes: int) -> datetime:
        """Return a time in office hours, log-normally distributed around the median from now."""
        minutes = self.random.lognormvariate(log(median_minutes), 0.9)
        return office_hours(timezone.now() + timedelta(minutes=minutes))

    def keys_of(self, firm: Firm, **conditions: Any) -> QuerySet[ApiKey]:
        """Return the keys that were made in the month, without those that programs go by.

        All others are left alone: those from before the month, and those that the person at the
        keyboard makes while it is played, which are dated after its end.
        """
        keys = ApiKey.objects.filter(customer=firm.customer, deleted_at=None, **conditions)
        made = keys.filter(created_at__lt=self.agenda.end).exclude(pk__in=self._earlier_keys)
        used = [robot.id for robot in firm.robots]
        return made.exclude(pk__in=used).order_by("created_at", "pk")

    def _speaker(self, kind: str, identifier: object, channel: str, *, network: str) -> Speaker:
        address = f"{network}.{self.random.randrange(10, 250)}"
        return Speaker(
            kind, str(identifier), channel, address, self.pick(texts.USER_AGENTS[channel])
        )
