"""The last comparison of rows, history and events, as far as the reader may see its result."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from audit.actors.actors import Actor
from audit.log.commands import RecordDrift
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, Status
from audit.subjects.names import labels

MOST_SHOWN = 20
_WORDS = {
    "row": "row differs from its history",
    "events": "events have other values",
    "unlogged": "change without a logged command",
    "number": "number was moved without an event or a change",
}


class Difference(NamedTuple):
    """A disagreement about a subject; without a subject, about a row of a model."""

    subject: Subject | None
    label: str
    words: str
    fields: str


def last_drift(reader: Actor) -> dict[str, Any] | None:
    """Return the last result; None if nothing was ever compared.

    A reader who does not see every customer gets only the differences of those, and no numbers.
    """
    records = CommandRecord.objects.filter(message_type=RecordDrift.message_type)
    record = records.filter(status=Status.SUCCEEDED).order_by("-position").first()
    if record is None:
        return None
    found = [each for each in record.data["differences"] if _may_see(reader, each["tenant"])]
    return {
        "at": _at(record),
        "is_partial": reader.is_confined,
        "rows": f"{record.data['rows']:,}",
        "number": f"{len(found) if reader.is_confined else record.data['found']:,}",
        "differences": _shown(found[:MOST_SHOWN], reader=reader),
        "is_cut": len(found) > MOST_SHOWN,
        "most": MOST_SHOWN,
    }


def _at(record: CommandRecord) -> datetime:
    return record.received_at


def _may_see(reader: Actor, tenant: str) -> bool:
    return reader.may_see(tenant) if tenant else not reader.is_confined


def _shown(found: Sequence[dict[str, Any]], *, reader: Actor) -> list[Difference]:
    subjects = [_subject(each["subject"]) for each in found]
    names = labels(filter(None, subjects), actor=reader)
    return [
        Difference(
            subject,
            names[subject] if subject else each["model"],
            _WORDS.get(each["kind"], each["kind"]),
            ", ".join(each["fields"]),
        )
        for subject, each in zip(subjects, found, strict=True)
    ]


def _subject(reference: str) -> Subject | None:
    kind, _, identifier = reference.partition(":")
    return Subject(kind, identifier) if identifier else None
