"""Which approval requests a caller may see, and pages of those that the caller looks for."""

import base64
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, NamedTuple, Self
from uuid import UUID

from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db.models import F, Max, Q, QuerySet
from django.utils import timezone
from rest_framework import serializers

from approvals.models import ApprovalRequest, Decision, State, Vote
from audit import registry
from audit.actors import Actor
from audit.messages import Subject

MOST_RESULTS = 100
_USUAL_RESULTS = 25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = Q(pk__in=())
_CURSOR = struct.Struct(">q16s")


class Cursor(NamedTuple):
    """The last row of a page: the next page begins behind it."""

    requested_at: datetime
    pk: UUID

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a cursor.

        :raises ValueError: if it is none of ours.
        """
        padded = text + "=" * (-len(text) % 4)
        try:
            content = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
            microseconds, pk = _CURSOR.unpack(content)
            return cls(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=pk))
        except (struct.error, OverflowError) as error:
            raise ValueError(text) from error

    def __str__(self) -> str:
        microseconds = (self.requested_at - _EPOCH) // timedelta(microseconds=1)
        content = _CURSOR.pack(microseconds, self.pk.bytes)
        return base64.urlsafe_b64encode(content).decode().rstrip("=")


class CursorField(serializers.Field):
    """A cursor as a parameter."""

    def to_internal_value(self, data: Any) -> Cursor:
        """Read it."""
        try:
            return Cursor.read(str(data))
        except ValueError:
            raise serializers.ValidationError("is none of ours: follow “next” as it is") from None

    def to_representation(self, value: Cursor) -> str:
        """Write it."""
        return str(value)


class SubjectField(serializers.Field):
    """A subject as a parameter: ``api-key:018f…``."""

    def to_internal_value(self, data: Any) -> Subject:
        """Read it."""
        name, _, identifier = str(data).partition(":")
        subject_type = registry.subject_type(name)
        if subject_type is None:
            raise serializers.ValidationError("must be a type that we know, a colon and an id")
        try:
            return Subject(name, str(subject_type.model._meta.pk.to_python(identifier)))
        except ValidationError:
            raise serializers.ValidationError(f"must have the id of a {name}") from None

    def to_representation(self, value: Subject) -> str:
        """Write it."""
        return str(value)


class MessageTypeField(serializers.Field):
    """A type of command as a parameter, by its present name or an old one."""

    def to_internal_value(self, data: Any) -> list[str]:
        """List all names of the type."""
        try:
            found = registry.message_class(str(data))
        except registry.UnknownMessageType:
            raise serializers.ValidationError("must be a type of command, as in a list") from None
        return [found.message_type, *found.aliases]

    def to_representation(self, value: list[str]) -> str:
        """Write the present name."""
        return value[0]


class ListQuery(serializers.Serializer[Any]):
    """What may stand behind the question mark of a list's address."""

    view = serializers.ChoiceField(choices=("all", "mine", "needs_my_vote"), default="all")
    state = serializers.ChoiceField(choices=State.values, required=False)
    type = MessageTypeField(required=False)
    subject = SubjectField(required=False)
    cursor = CursorField(required=False)
    limit = serializers.IntegerField(min_value=1, max_value=MOST_RESULTS, default=_USUAL_RESULTS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse parameters that are none: a misspelled filter would show everything."""
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError(dict.fromkeys(unknown, "is no parameter here"))
        return attrs


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some requests, newest first, and where the next page begins if there is one."""

    requests: list[ApprovalRequest]
    next: Cursor | None


def page(query: dict[str, Any], *, actor: Actor) -> Page:
    """Read a page of what a checked query looks for."""
    found = _of_view(query["view"], actor=actor).filter(_matching(query))
    if cursor := query.get("cursor"):
        # The first condition says no more than the second, but an index understands it.
        earlier = Q(requested_at__lt=cursor.requested_at) | Q(pk__lt=cursor.pk)
        found = found.filter(earlier, requested_at__lte=cursor.requested_at)
    limit: int = query["limit"]
    rows = list(found.order_by("-requested_at", "-pk")[: limit + 1])
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(requests=rows[:limit], next=Cursor(last.requested_at, last.pk) if last else None)


def visible_to(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Find the requests that an actor may see: its own, and with the permission its tenants'.

    What belongs to no tenant is seen by those who see every tenant, and by those whom it asks.
    """
    requests = ApprovalRequest.objects.all()
    if not actor.may("approvals.view_approvalrequest"):
        return requests.filter(_own(actor))
    if actor.tenants is None:
        return requests
    asked = Q(tenant="") & _asking(actor)
    return requests.filter(_own(actor) | Q(tenant__in=actor.tenants) | asked)


def needing_vote_of(actor: Actor) -> QuerySet[ApprovalRequest]:
    """Find the pending requests that ask a group of this person's whose vote does not stand."""
    if actor.kind != "user":
        return ApprovalRequest.objects.none()
    of_others = ~Q(requester_person=actor.person_id)
    return (
        visible_to(actor)
        .filter(
            _in_state(State.PENDING),
            _asking(actor),
            of_others | Q(requirements__options__requester_may_vote=True),
        )
        .exclude(pk__in=_voted_on(int(actor.person_id)))
    )


def _voted_on(person: int) -> QuerySet[Vote, UUID]:
    """Find the requests on which a vote of a person stands: the newest is no take-back.

    Asked once, from one index in its order: not for each of the 10,000 that may wait.
    """
    newest_taken_back = Max("number", filter=Q(decision=Decision.TAKE_BACK))
    of_person = Vote.objects.filter(voter_id=person).values("request")
    stated = of_person.annotate(newest=Max("number"), taken_back=newest_taken_back)
    standing = stated.filter(Q(taken_back=None) | Q(newest__gt=F("taken_back")))
    return standing.values_list("request", flat=True)


def _of_view(view: str, *, actor: Actor) -> QuerySet[ApprovalRequest]:
    match view:
        case "mine":
            return ApprovalRequest.objects.filter(_own(actor))
        case "needs_my_vote":
            return needing_vote_of(actor)
        case _:
            return visible_to(actor)


def _own(actor: Actor) -> Q:
    """Match what the actor asked for: a person also by a key, a key by itself only."""
    if actor.kind == "user":
        return Q(requester_person=actor.person_id)
    return Q(requester_kind=actor.kind, requester_id=actor.id)


def _asking(actor: Actor) -> Q:
    """Match what asks for votes of a group that the person belongs to."""
    if actor.kind != "user":
        return _NOTHING
    groups = Group.objects.filter(user=int(actor.person_id)).values_list("pk", flat=True)
    asking = [Q(requirements__rules__contains=[{"group_id": group}]) for group in groups]
    return reduce(or_, asking, _NOTHING)


def _matching(query: dict[str, Any]) -> Q:
    condition = _in_state(query["state"]) if "state" in query else Q()
    if "type" in query:
        condition &= Q(message_type__in=query["type"])
    if "subject" in query:
        subject = query["subject"]
        condition &= Q(subject_type=subject.type, subject_id=subject.id)
    return condition


def _in_state(state: str) -> Q:
    """Match what is in a state at this moment: pending requests expire by themselves."""
    is_over = Q(approve_by__lte=timezone.now())
    match state:
        case State.PENDING:
            return Q(state=State.PENDING) & ~is_over
        case State.EXPIRED:
            return Q(state=State.EXPIRED) | (Q(state=State.PENDING) & is_over)
        case _:
            return Q(state=state)
