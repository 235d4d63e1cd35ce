"""The pages that auditors read, and the lists of the API."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TypeAlias
from urllib.parse import urlencode

from audit.log import feed
from audit.log.orders import Key, Order
from audit.models.records import EventRecord
from benchmarks.log import Example, Log
from benchmarks.reading import Reader, Reading

_Address: TypeAlias = Callable[[Example], str]
_API = Order("newest", Key("position", int))
# What is picked from the log belongs to another customer.
_OF_WHO_SEES_LITTLE = (
    "search",
    "search, refused",
    "search, deep",
    "search, common word",
    "overview",
    "API commands",
    "API commands, deep",
    "API commands, refused",
    "API events",
    "API events, in the order of the log",
)
_HOUR = timedelta(hours=1)


def pages(log: Log) -> Iterator[tuple[str, Callable[[Example], Reading]]]:
    """Name the pages of each auditor, and what reads each of them once."""
    for whose, person in log.auditors().items():
        reader = Reader(person)
        sees = whose.removeprefix("auditor of ")
        for name, address in _addresses(log).items():
            if sees != "a small customer" or name in _OF_WHO_SEES_LITTLE:
                yield f"{sees}: {name}", _reading(reader, address)


def _reading(reader: Reader, address: _Address) -> Callable[[Example], Reading]:
    return lambda example: reader.read(address(example))


def _addresses(log: Log) -> dict[str, _Address]:
    return _searches() | _deep_searches() | _stories(log) | _api_lists()


def _searches() -> dict[str, _Address]:
    return {
        "search": lambda _: _search(),
        "search field, person": lambda each: _search(q=each.person),
        "search field, id": lambda each: _search(q=str(each.record.command_id)),
        "search field, subject": lambda each: _search(q=each.subject),
        "search field, words": lambda each: _search(q=each.ticket),
        "search field, request id": lambda each: _search(q=each.record.request_id),
        "search field, unknown request id": lambda _: _search(q="none"),
        "search field, address": lambda each: _search(q=each.record.client_address),
        "search field, address of half the log": lambda _: _search(q="10.0.0.1"),
        "search field, unknown address": lambda _: _search(q="198.51.100.7"),
        "search field, name": lambda _: _search(q="ci"),
        "search, actor": lambda each: _search(actor=each.actor),
        "search, name": lambda each: _search(actor=each.person),
        "search, type": lambda each: _search(message_type=each.record.message_type),
        "search, subject": lambda each: _search(subject=each.subject),
        "search, refused": lambda _: _search(status="refused"),
        "search, succeeded": lambda _: _search(status="succeeded"),
        "search, held": lambda _: _search(status="postponed"),
        "search, channel": lambda each: _search(channel=each.record.channel),
        "search, customer": lambda each: _search(customer=each.record.tenant),
        "search, case": lambda each: _search(correlation_id=str(each.record.correlation_id)),
        "search, common word": lambda _: _search(reason="rotation"),
        # A short log fills a page for these searches too; for the rare ones below it does not.
        "search, common word and status": lambda _: _search(reason="rotation", status="succeeded"),
        "search, rare word": lambda each: _search(reason=each.ticket),
        "search, type, status and channel": lambda _: _search(
            message_type="apikeys.update", status="succeeded", channel="admin"
        ),
        "search, actor and status": lambda each: _search(actor=each.actor, status="succeeded"),
        "search, actor and type": lambda each: _search(
            actor=each.actor, message_type="apikeys.update"
        ),
        "search, common word and rare status": lambda _: _search(
            reason="rotation", status="failed"
        ),
        "search, rare type, status and channel": lambda _: _search(
            message_type="apikeys.delete", status="refused", channel="admin"
        ),
        "search, actor and rare status": lambda each: _search(actor=each.actor, status="refused"),
        "search, actor and rare type": lambda each: _search(
            actor=each.actor, message_type="apikeys.rotate"
        ),
        "search, name and channel": lambda each: _search(actor=each.person, channel="admin"),
    }


def _deep_searches() -> dict[str, _Address]:
    return {
        "search, deep": lambda each: _search(before=str(each.place)),
        "search, deep, going newer": lambda each: _search(after=str(each.place)),
        "search, deep, refused": lambda each: _search(before=str(each.place), status="refused"),
        "search, deep, actor": lambda each: _search(before=str(each.place), actor=each.actor),
        "search, deep, common word": lambda each: _search(
            before=str(each.place), reason="rotation"
        ),
        "search, an hour (a bar)": lambda each: _search(
            since=each.record.received_at.isoformat(),
            until=(each.record.received_at + _HOUR).isoformat(),
        ),
        "search, thirty days": lambda each: _search(
            since=(each.record.received_at - 720 * _HOUR).isoformat(),
            until=each.record.received_at.isoformat(),
        ),
    }


def _stories(log: Log) -> dict[str, _Address]:
    busy = log.busy_subject().replace(":", "/")
    return {
        "overview": lambda _: "/audit/overview",
        "command": lambda each: f"/audit/commands/{each.record.command_id}",
        "case": lambda each: f"/audit/cases/{each.record.correlation_id}",
        "subject": lambda each: f"/audit/subjects/{each.subject.replace(':', '/')}",
        "subject, a key with 2,000 changes": lambda _: f"/audit/subjects/{busy}",
        "actor": lambda each: f"/audit/actors/{each.actor.replace(':', '/')}",
        "actor, a person": lambda each: f"/audit/actors/user/{each.record.actor_person}",
    }


def _api_lists() -> dict[str, _Address]:
    return {
        "API commands": lambda _: _commands(),
        "API commands, deep": lambda each: _commands(cursor=_cursor(each.record.position)),
        "API commands, type": lambda each: _commands(type=each.record.message_type),
        "API commands, subject": lambda each: _commands(subject=each.subject),
        "API commands, actor": lambda each: _commands(actor=each.actor),
        "API commands, refused": lambda _: _commands(status="refused"),
        "API commands, held": lambda _: _commands(status="postponed"),
        "API commands, deep, refused": lambda each: _commands(
            status="refused", cursor=_cursor(each.record.position)
        ),
        "API commands, case": lambda each: _commands(
            correlation_id=str(each.record.correlation_id)
        ),
        "API commands, channel": lambda each: _commands(channel=each.record.channel),
        "API commands, an hour": lambda each: _commands(
            received_after=each.record.received_at.isoformat(),
            received_before=(each.record.received_at + _HOUR).isoformat(),
        ),
        "API events": lambda _: _events(),
        "API events, deep": lambda each: _events(cursor=_cursor(each.record.position)),
        "API events, type": lambda _: _events(type="apikeys.rotated"),
        "API events, subject": lambda each: _events(subject=each.subject),
        "API events, case": lambda each: _events(correlation_id=str(each.record.correlation_id)),
        "API events, in the order of the log": lambda each: _events(
            order="log", cursor=_delivered(each.record.position)
        ),
    }


def _search(**asked: str) -> str:
    return f"/audit/?{urlencode(asked)}"


def _commands(**asked: str) -> str:
    return f"/api/v2/commands?{urlencode(asked)}"


def _events(**asked: str) -> str:
    return f"/api/v2/events?{urlencode(asked)}"


def _cursor(position: int) -> str:
    return _API.cursor_at([position])


def _delivered(position: int) -> str:
    event = EventRecord.objects.filter(position__gte=position).order_by("position")[0]
    return feed.DELIVERY.cursor_at(feed.place_of(event))
