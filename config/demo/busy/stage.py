"""The stage of the month: its senders and their channels, and how commands are sent."""

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import log
from typing import NamedTuple
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.utils import timezone

from apikeys.models import ApiKey, Customer
from approvals.models import ApprovalRequest
from audit.actors import credentials
from audit.actors.actors import SYSTEM
from audit.bus.context import Context, RequestFacts
from audit.bus.dispatch import dispatch
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError
from audit.messages.outcomes import Outcome, Postponed
from config.demo.busy import texts
from config.demo.busy.agenda import Agenda, office_hours


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

    def owner_of_keys_by(self, speaker: Speaker) -> int:
        """Return the id of the owner for a key created by the sender: itself, or a senior."""
        return int((self.seniors[0] if speaker in self.robots else speaker).id)

    @property
    def kept(self) -> list[str]:
        """The ids of the keys that its services use, which are never disabled."""
        return [robot.id for robot in self.robots]


class Stage:
    """The state of the month: randomness, agenda and cast."""

    def __init__(self, agenda: Agenda, *, seed: str) -> None:
        # A fixed seed: every demo is the same.
        self.random = random.Random(seed)  # noqa: S311  # no secret
        self.agenda = agenda
        self.firms: list[Firm] = []
        self._earlier_keys = frozenset(ApiKey.objects.values_list("pk", flat=True))
        self.approvers = {name: self.person(name, "admin") for name in ("ann", "bob", "olga")}

    def say(self, command: Command, *, by: Speaker, reason: str = "") -> Outcome | None:
        """Send a command; return None if it fails or is refused, or the sender is invalid."""
        if credentials.live_actor(by.kind, by.id) is None:
            return None
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
            message = f"{by.kind} {by.id} is no longer valid"
            raise RuntimeError(message)
        return Context(
            actor=actor,
            channel=by.channel,
            reason=reason,
            request=self._facts(by),
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
        agents = texts.USER_AGENTS[channel]
        address = f"198.51.100.{self.random.randrange(10, 250)}"
        return Speaker("user", str(user.pk), channel, address, self.pick(agents))

    def robot(self, api_key_id: UUID, channel: str) -> Speaker:
        agent = self.pick(texts.USER_AGENTS[channel])
        address = f"203.0.113.{self.random.randrange(10, 250)}"
        return Speaker("api_key", str(api_key_id), channel, address, agent)

    def pick(self, choices: Sequence[str]) -> str:
        return self.random.choice(choices)

    def token(self) -> str:
        """Return a random UUID, such as a client would generate."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def later(self, *, median: timedelta) -> datetime:
        """Return a time in office hours, log-normally distributed around the median from now."""
        seconds = self.random.lognormvariate(log(median.total_seconds()), 0.9)
        return office_hours(timezone.now() + timedelta(seconds=seconds))

    def firm(self, name: str) -> Firm:
        return next(firm for firm in self.firms if firm.customer.name == name)

    def keys_of(self, firm: Firm) -> QuerySet[ApiKey]:
        """Return the keys that were made in the month, without those that programs go by.

        All others are left alone: those from before the month, and those that the person at the
        keyboard makes while it is played, which are dated after its end.
        """
        made = ApiKey.objects.filter(customer=firm.customer, created_at__lt=self.agenda.end)
        return made.exclude(pk__in=[*self._earlier_keys, *firm.kept])

    def group(self, name: str) -> Group:
        return Group.objects.get(name=name)

    def _facts(self, speaker: Speaker) -> RequestFacts:
        """Return made-up request data for the sender."""
        if speaker is THE_SYSTEM:
            return RequestFacts()
        return RequestFacts(
            request_id=self.token()[:18],
            client_address=speaker.address,
            user_agent=speaker.user_agent,
        )
