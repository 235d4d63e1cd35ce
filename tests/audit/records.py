"""Records written without the bus, for tests of reading: at any time, about anything."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from uuid_utils.compat import uuid7

from audit.bus.store import append_directly
from audit.models.records import CommandRecord

# A search for words starts with the last days.
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


def record(*, minutes: float = 0, **fields: Any) -> CommandRecord:
    """Write a record of a command this long before yesterday's noon."""
    (made,) = write([unwritten(minutes=minutes, **fields)])
    return made


def write(records: Iterable[CommandRecord]) -> list[CommandRecord]:
    """Write records; return them with their positions, which the database generates."""
    written = list(records)
    with transaction.atomic():
        for each in written:
            append_directly(each, using="default")
    return [
        CommandRecord.objects.get(command_id=each.command_id, attempt=each.attempt)
        for each in written
    ]


def unwritten(*, minutes: float = 0, **fields: Any) -> CommandRecord:
    """Return a record without writing it."""
    command_id = uuid7()
    given = {
        "command_id": command_id,
        "attempt": 1,
        "message_type": "apikeys.enable",
        "schema_version": 1,
        "data": {},
        "correlation_id": command_id,
        "fingerprint": b"",
        "actor_kind": "user",
        "actor_id": "1",
        "actor_label": "dana",
        "channel": "v2",
        "status": "succeeded",
        "received_at": NOON - timedelta(minutes=minutes),
        "duration_us": 1,
        "retries": 0,
    }
    return CommandRecord(**given | fields)
