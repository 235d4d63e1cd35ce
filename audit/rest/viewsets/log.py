"""The log over HTTP: commands with their current status, and events."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from audit.bus import postponements
from audit.log import approvals, feed, queries, visibility
from audit.log.orders import Key, Order
from audit.log.polling import Crowded, wait_until_final
from audit.messages.classes import Subject
from audit.messages.exceptions import NotFound
from audit.models.records import CommandRecord, EventRecord, Status
from audit.rest import resources
from audit.rest.listing import (
    ListQuery,
    Page,
    Parameters,
    WholeNumberField,
    address,
    body,
    both,
    page,
)
from audit.rest.openapi.operations import documented
from audit.rest.parameters import (
    ActorField,
    EventTypeField,
    IdField,
    MessageTypeField,
    SubjectField,
)
from audit.rest.times import TimeField
from audit.rest.viewsets.actors import ActorViewSet
from audit.rest.viewsets.outcomes import RETRY_AFTER_SECONDS
from audit.subjects import names

LONGEST_WAIT_SECONDS = 30
_NEWEST = Order("newest", Key("position", int))
_LATEST = Order("latest", *feed.DELIVERY.keys)


class CommandListQuery(ListQuery):
    """The query parameters of the list of commands."""

    resource_fields = tuple(resources.CommandInList.__annotations__)
    orders = (_NEWEST,)

    status = serializers.ChoiceField(choices=Status.values, required=False)
    type = MessageTypeField(required=False)
    subject = SubjectField(required=False)
    actor = ActorField(required=False)
    correlation_id = IdField(required=False)
    channel = serializers.CharField(required=False, max_length=50)
    received_after = TimeField(required=False)
    received_before = TimeField(required=False)


class EventListQuery(ListQuery):
    """The query parameters of the list of events."""

    resource_fields = tuple(resources.EventInList.__annotations__)
    orders = (_NEWEST, feed.DELIVERY)

    type = EventTypeField(required=False)
    subject = SubjectField(required=False)
    command_id = IdField(required=False)
    correlation_id = IdField(required=False)
    occurred_after = TimeField(required=False)
    occurred_before = TimeField(required=False)


class LogRewound(APIException):
    """Another server has continued the log, and lacks events that you may have received."""

    status_code = HTTPStatus.GONE
    default_code = "log_rewound"
    default_detail = (
        "Another server has continued the log, and lacks events that you may have received. "
        "Discard those after “last_event_id”, or all if it is null, and continue with “next”."
    )
    remedy = (
        "Discard the events that you received after “last_event_id”, or all if it is null. "
        "Continue with “next”: of the discarded events, it returns those that still exist."
    )

    def __init__(self, *, last_event_id: UUID | None = None, following: str = "") -> None:
        super().__init__()
        self.extensions = {
            "last_event_id": last_event_id and str(last_event_id),
            "next": following,
        }


class StatusParameters(Parameters):
    """The query parameters of one command."""

    wait = WholeNumberField(
        min_value=0,
        max_value=LONGEST_WAIT_SECONDS,
        default=0,
        help_text="Seconds to wait for the command to become final.",
    )


class CommandLogViewSet(ActorViewSet):
    """Commands in the log."""

    tag = "commands"

    @documented("list_commands", lists=resources.CommandInList, query=CommandListQuery)
    def list(self, request: Request) -> Response:
        """List commands with their current status, newest first."""
        query = CommandListQuery.of(request)
        any_of = both(visibility.commands_of(self.actor), queries.reaching(query))
        about = queries.about(query, CommandRecord)
        found = page(queries.matching(query), query, any_of=any_of, among=about)
        attempts = queries.attempts_of(found.rows)
        current = postponements.current_records(attempts)
        # SQL cannot verify what holds a command, so a row may be on the page by mistake.
        wanted = query.get("status")
        listed = (each.command_id for each in found.rows)
        keys = [key for key in listed if wanted in (None, current[key].status)]
        decided = self._decided_by([attempts[key][0] for key in keys])
        rows = [
            resources.command_in_list(attempts[key], current=current[key], decided=each)
            for key, each in zip(keys, decided, strict=True)
        ]
        return Response(body(request, query, rows, cursor=found.cursor))

    @documented(
        "retrieve_command",
        gives=resources.CommandResource,
        query=StatusParameters,
        sometimes=("Retry-After",),
    )
    def retrieve(self, request: Request, command_id: UUID) -> Response:
        """Return a command with its status, approvals, attempts and events."""
        seconds = StatusParameters.of(request)["wait"]
        records, headers = self._attempts(command_id), {}
        if seconds and not _is_final(records):
            try:
                wait_until_final(command_id, seconds=seconds, caller=self._waiting_caller())
            except Crowded:
                headers["Retry-After"] = RETRY_AFTER_SECONDS
            records = self._attempts(command_id)
        (decided,) = self._decided_by(records[:1])
        progress = postponements.progress(command_id)
        shown = resources.command(records, progress=progress, decided=decided)
        return Response(shown, headers=headers)

    def _decided_by(self, records: Sequence[CommandRecord]) -> Sequence[approvals.Decided]:
        """Return what each command decides, and who approved it, from its first attempt."""
        subjects = {Subject(each.subject_type, each.subject_id) for each in records}
        rows = names.found(approvals.requests_among(subjects), actor=self.actor)
        return approvals.decided_by(records, rows=rows, actor=self.actor)

    def _waiting_caller(self) -> str:
        """Return the customer of the caller, whose keys share their places; else the caller."""
        actor = self.actor
        return actor.home_tenant() or f"{actor.kind}:{actor.id}"

    def _attempts(self, command_id: UUID) -> Sequence[CommandRecord]:
        records = list(CommandRecord.objects.filter(command_id=command_id).order_by("attempt"))
        if not records or not visibility.may_read(self.actor, records[0]):
            message = "There is no command with this id."
            raise NotFound(message)
        return records


class EventViewSet(ActorViewSet):
    """Events in the log."""

    tag = "events"

    @documented(
        "list_events", lists=resources.EventInList, query=EventListQuery, raises=(LogRewound,)
    )
    def list(self, request: Request) -> Response:
        """List events, newest first; or in order of delivery, to follow the log."""
        query = EventListQuery.of(request)
        events = queries.events_matching(query)
        read = self._delivered if query["order"] is feed.DELIVERY else self._newest
        found = read(events, query)
        rows = map(resources.event_in_list, found.rows)
        return Response(body(request, query, rows, cursor=found.cursor))

    def _newest(self, events: QuerySet[EventRecord], query: dict[str, Any]) -> Page[EventRecord]:
        about = queries.about(query, EventRecord)
        return page(events, query, any_of=visibility.events_of(self.actor), among=about)

    def _delivered(self, events: QuerySet[EventRecord], query: dict[str, Any]) -> Page[EventRecord]:
        """Return the next page in the order of delivery; it always has a cursor.

        A page that is not full has read everything up to the horizon, so the next one begins
        there or later: records that match no filter are not read again.
        """
        reader = feed.Place(*query.get("cursor", ()))
        horizon = feed.horizon(reader)
        if horizon.fork:
            raise LogRewound(
                last_event_id=self._last_before(horizon.fork, events),
                following=address(self.request, feed.DELIVERY.cursor_at(horizon.fork)),
            )
        settled = feed.settled(events, before=horizon.place)
        found = page(settled, query, any_of=visibility.events_of(self.actor))
        if found.cursor is not None:
            return found
        seen = [reader, *map(feed.place_of, found.rows[-1:])]
        return Page(rows=found.rows, cursor=feed.DELIVERY.cursor_at(max(horizon.place, *seen)))

    def _last_before(self, place: feed.Place, events: QuerySet[EventRecord]) -> UUID | None:
        found = page(
            feed.settled(events, before=place),
            {"order": _LATEST, "limit": 1},
            any_of=visibility.events_of(self.actor),
        )
        return found.rows[0].id if found.rows else None


def _is_final(records: Sequence[CommandRecord]) -> bool:
    command_id = records[0].command_id
    current = postponements.current_records({command_id: records})[command_id]
    return Status(current.status).is_final
