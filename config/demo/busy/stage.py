"""The stage of the month: its agenda and its senders, and how commands are sent and decided."""

import heapq
import random
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.utils import timezone

from apikeys.commands import CreateApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve, Deny, ExpireRequest, TakeBack, Withdraw
from approvals.models import ApprovalRequest, State
from audit.actors import credentials
from audit.actors.actors import SYSTEM
from audit.bus.context import Context, RequestFacts
from audit.bus.dispatch import dispatch
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError, Forbidden
from audit.messages.outcomes import Outcome, Postponed
from config.demo.busy import texts
from config.demo.busy.clock import go_on_to

_Choice = TypeVar("_Choice")
Decision: TypeAlias = type[Approve | Deny | TakeBack | Withdraw]
# A decision for each voter in turn. A take-back stands for an approval that is taken back.
Ending: TypeAlias = tuple[Decision, ...]

APPROVED: Ending = (Approve, Approve, Approve)
UNDECIDED: Ending = ()
_OPENS, _CLOSES, _SATURDAY = 8, 18, 5
_NETWORKS = {"user": "198.51.100", "api_key": "203.0.113"}
# The median number of minutes until each approver responds.
_PACE = {"ann": 40, "bob": 180, "carol": 90, "olga": 300}


class Sender(NamedTuple):
    """A user, a service or the system, with its channel."""

    kind: str
    id: str
    channel: str
    address: str | None = None
    user_agent: str = ""


class Stage:
    """The state of the month: randomness, steps still to come, customers and senders by name."""

    def __init__(self, *, start: datetime, end: datetime) -> None:
        # A fixed seed: every demo is the same.
        self.random = random.Random("countersign")  # noqa: S311  # no secret
        self.start, self.end = start, end
        self.security = Group.objects.get(name="Security").pk
        self.customers: dict[str, UUID] = {}
        self.senders = {"system": Sender(SYSTEM.kind, SYSTEM.id, "management")}
        self._steps: list[tuple[datetime, int, partial[Any]]] = []
        self._numbers = count()
        self._earlier_keys = frozenset(ApiKey.objects.values_list("pk", flat=True))

    def at(self, moment: datetime, step: partial[Any]) -> None:
        """Schedule a step, which may schedule others. Steps after the end are dropped."""
        if moment < self.end:
            heapq.heappush(self._steps, (moment, next(self._numbers), step))

    def play(self) -> None:
        """Run the steps in order of time, with the clock set to the time of each."""
        while self._steps:
            moment, _, step = heapq.heappop(self._steps)
            go_on_to(moment)
            step()

    def add_sender(self, name: str, kind: str, pk: int | UUID, *, channel: str) -> None:
        address = f"{_NETWORKS[kind]}.{self.random.randrange(10, 250)}"
        user_agent = self.pick(texts.USER_AGENTS[channel])
        self.senders[name] = Sender(kind, str(pk), channel, address, user_agent)

    def send(self, command: Command, *, by: str, reason: str | None = None) -> Outcome:
        """Send a command that should succeed, by default with a random reason.

        :raises CommandError: if it is refused or fails all the same.
        """
        if reason is None:
            reason = self.pick(texts.REASONS.get(type(command), ("",)))
        return dispatch(command, context=self.context(by, reason=reason))

    def attempt(
        self, command: Command, *, by: str, reason: str | None = None, ending: Ending = UNDECIDED
    ) -> ApprovalRequest | None:
        """Send a command, which may be refused or fail, or its sender may be invalid.

        If it is held, schedule the ending of its request, and return the request.
        """
        outcome = None
        with suppress(CommandError):
            outcome = self.send(command, by=by, reason=reason)
        if not isinstance(outcome, Postponed) or outcome.is_repeat:
            return None
        request = ApprovalRequest.of_command(outcome.command_id).get()
        self.schedule(request, requester=by, ending=ending)
        return request

    def schedule(self, request: ApprovalRequest, *, requester: str, ending: Ending) -> None:
        """Schedule the ending of a request, and its expiry in the night after its deadline."""
        for decision, voter in zip(ending, self._voters(request, requester), strict=False):
            by = requester if decision is Withdraw else voter
            minutes = timedelta(minutes=_PACE[voter] * self.random.lognormvariate(0, 0.9))
            moment = office_hours(timezone.now() + minutes)
            if decision is TakeBack:
                moment = timezone.now() + timedelta(minutes=55)
                approved_at = moment - timedelta(minutes=30)
                self.at(approved_at, partial(self.decide, request, Approve, by=by))
            self.at(moment, partial(self.decide, request, decision, by=by))
        night = request.approve_by.replace(hour=3, minute=10) + timedelta(days=1)
        self.at(night, partial(self._expire, request))

    def decide(self, request: ApprovalRequest, decision: Decision, *, by: str) -> None:
        """Vote on a request or withdraw it, unless it is decided: more vote than are needed."""
        if _is_open(request):
            self.attempt(decision(approval_request_id=request.pk, digest=request.digest), by=by)

    def context(self, by: str, *, reason: str = "") -> Context:
        sender = self.senders[by]
        actor = credentials.live_actor(sender.kind, sender.id)
        if actor is None:
            raise Forbidden(f"{by} is no longer valid")
        facts = RequestFacts(
            request_id=self.token()[:18] if sender.address else "",
            client_address=sender.address,
            user_agent=sender.user_agent,
        )
        key = self.token() if sender.channel == "v2" else None
        return Context(
            actor=actor, channel=sender.channel, reason=reason, request=facts, idempotency_key=key
        )

    def new_key(self, customer: str, name: str, *, by: str) -> CreateApiKey:
        """Return the creation of a key for the sender, or for a senior if that is a service.

        The user of the demo may have a key of a similar name.
        """
        staff = texts.STAFF[customer]
        owner = self.senders[staff.seniors[0] if by in staff.services else by]
        customer_id = self.customers[customer]
        return CreateApiKey(
            customer_id=customer_id, owner_id=int(owner.id), name=name, confirm_similar_name=True
        )

    def keys_of(self, customer: str, **conditions: Any) -> QuerySet[ApiKey]:
        """Return the keys that were made in the month, except those that services use.

        All others stay as they are: those from before the month, and those that the user of the
        demo creates meanwhile, which are dated after its end.
        """
        used = [sender.id for sender in self.senders.values() if sender.kind == "api_key"]
        keys = ApiKey.objects.filter(customer=self.customers[customer], deleted_at=None)
        made = keys.filter(created_at__lt=self.end, **conditions).order_by("created_at", "pk")
        return made.exclude(pk__in=[*self._earlier_keys, *used])

    def some_key(self, customer: str, *, is_enabled: bool = True) -> ApiKey | None:
        keys = list(self.keys_of(customer, is_enabled=is_enabled))
        return self.pick(keys) if keys else None

    def pick(self, choices: Iterable[_Choice]) -> _Choice:
        return self.random.choice(list(choices))

    def draw(self, weights: Mapping[_Choice, int]) -> _Choice:
        """Return one of the keys, each as often as its weight says."""
        return self.random.choices(list(weights), list(weights.values()))[0]

    def token(self) -> str:
        """Return a random UUID, such as a client would generate."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def _voters(self, request: ApprovalRequest, requester: str) -> list[str]:
        """Return the approvers who could vote for the first rule, in random order."""
        group_id = request.requirements["rules"][0]["group_id"]
        people = User.objects.filter(groups=group_id, is_active=True, username__in=_PACE)
        names = people.exclude(username=requester).values_list("username", flat=True)
        return self.random.sample(sorted(names), len(names))

    def _expire(self, request: ApprovalRequest) -> None:
        if _is_open(request):
            self.attempt(ExpireRequest(approval_request_id=request.pk), by="system")


def office_hours(moment: datetime) -> datetime:
    """Return the time, moved to the next office hours if it is outside them."""
    while moment.weekday() >= _SATURDAY or not _OPENS <= moment.hour < _CLOSES:
        moment += timedelta(hours=1)
    return moment


def _is_open(request: ApprovalRequest) -> bool:
    return ApprovalRequest.objects.filter(pk=request.pk, state=State.PENDING).exists()
