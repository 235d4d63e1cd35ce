"""Interpretations of the text in the search field, the most likely first."""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple
from uuid import UUID

from audit.actors.actors import Actor
from audit.log.approvals import request_types
from audit.log.search.criteria import Criteria
from audit.log.search.index_ranges import is_name
from audit.log.search.reading import Page, find_page, read_page
from audit.log.search.scans import is_exact
from audit.messages.characters import quoted
from audit.messages.classes import Subject
from audit.models.records import EventRecord
from audit.subjects.names import find, labels, named
from audit.subjects.types import label_of

MOST_NAMED = 6
_KIND_AND_ID = re.compile(r"[a-z][a-z_-]*:.+")
_WORD = re.compile(r"[^\W_]")


class Interpretation(NamedTuple):
    """A meaning of a text, and the filters of the search that it stands for."""

    label: str
    filters: dict[str, str]


def interpret(text: str, *, reader: Actor) -> list[Interpretation]:
    """Return what a text may mean to the reader, the most likely first.

    The order does not depend on what the reader may not see.
    """
    text = text.strip()
    if address := _address(text):
        return [address]
    if identifier := _uuid(text):
        return [*_by_id(identifier, reader=reader), _request_id(text)]
    found = _typed(text, reader=reader) if _KIND_AND_ID.fullmatch(text) else ()
    return [*found, *_by_name(text, reader=reader), *_other(text)]


def _address(text: str) -> Interpretation | None:
    try:
        address = str(ip_address(text))
    except ValueError:
        return None
    return Interpretation(f"IP address {address}", {"address": address})


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _by_id(identifier: UUID, *, reader: Actor) -> Iterator[Interpretation]:
    text = str(identifier)
    if _find(reader, correlation_id=identifier).places:
        yield Interpretation(f"case {text}", {"correlation_id": text})
    if _find(reader, command_id=identifier).places:
        yield Interpretation(f"command {text}", {"command_id": text})
    yield from _about(text, reader=reader)
    yield from _held_by(text, reader=reader)
    events = reader.confine(EventRecord.objects.filter(id=identifier))
    for command_id in events.values_list("command_id", flat=True):
        yield Interpretation(f"command of event {text}", {"command_id": str(command_id)})


def _about(text: str, *, reader: Actor) -> Iterator[Interpretation]:
    """Yield the subject with an id that commands in the log are about."""
    records = read_page(Criteria.seen_by(reader, subject=text), size=1).records
    for record in records:
        subject = Subject(record.subject_type, record.subject_id)
        label = labels([subject], actor=reader)[subject]
        yield Interpretation(label, {"subject": str(subject)})


def _held_by(text: str, *, reader: Actor) -> Iterator[Interpretation]:
    """Yield the command that a request holds: before its first vote, no command is about it."""
    for kind in request_types():
        request: Any = find(Subject(kind, text), actor=reader)
        if request and _find(reader, command_id=request.command_id).places:
            filters = {"command_id": str(request.command_id)}
            yield Interpretation(f"command held by {label_of(request)}", filters)


def _typed(text: str, *, reader: Actor) -> Iterator[Interpretation]:
    yield from _about(text, reader=reader)
    if is_exact(text) and _find(reader, actor=text).places:
        yield Interpretation(f"actor {quoted(text)}", {"actor": text})


def _by_name(text: str, *, reader: Actor) -> Iterator[Interpretation]:
    """Yield the subjects and people whose names begin with a text; those with this name first."""
    subjects = [
        (exact, Interpretation(label_of(row), {"subject": str(subject)}))
        for subject, row, exact in named(text, actor=reader, most=MOST_NAMED)
    ]
    yield from (each for exact, each in subjects if exact)
    if not is_exact(text) and _did_something(text, reader=reader):
        yield Interpretation(f"people and keys named {quoted(text)}", {"actor": text})
    yield from (each for exact, each in subjects if not exact)


def _request_id(text: str) -> Interpretation:
    """Return the meaning as a request id, which callers may write in any form."""
    return Interpretation(f"request id {quoted(text)}", {"request_id": text})


def _other(text: str) -> Sequence[Interpretation]:
    request_id = _request_id(text)
    if not _WORD.search(text):
        return [request_id]
    reason = Interpretation(f"words of a reason: {quoted(text)}", {"reason": text})
    return [reason] if " " in text else [reason, request_id]


def _did_something(name: str, *, reader: Actor) -> bool:
    """Return True if the reader may see commands of actors whose names begin so."""
    return bool(_find(reader, actor=name).places) if reader.is_confined else is_name(name)


def _find(reader: Actor, **wanted: Any) -> Page:
    return find_page(Criteria.seen_by(reader, **wanted), size=1)
