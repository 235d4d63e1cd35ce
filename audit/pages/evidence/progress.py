"""The progress of the transparency log, for the overview."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from audit.actors.actors import Actor
from audit.evidence.commands import RecordLogComparison
from audit.evidence.sequencing import signed
from audit.evidence.sequencing.logs import place_of_checkpoint
from audit.evidence.witnessing.destinations import destinations
from audit.evidence.witnessing.standings import (
    is_overdue,
    newest_outside,
    standings,
)
from audit.log.feed import DELIVERY
from audit.models.records import CommandRecord, Status
from audit.pages.labels import span

#: From this lag on, the sequencer seems to have stopped.
LONG = timedelta(minutes=1)
MOST_SHOWN = 20


def log_progress(reader: Actor) -> dict[str, Any] | None:
    """Return the newest checkpoint, the lag behind the records, and what is kept outside.

    The lag is the age of the oldest record without a leaf. None if there is no checkpoint.
    """
    newest = signed.newest_of_all()
    if newest is None:
        return None
    waiting = CommandRecord.objects.filter(DELIVERY.behind(place_of_checkpoint(newest)))
    oldest = waiting.order_by(*DELIVERY.sorting()).values_list("received_at", flat=True).first()
    lag = max(timezone.now() - oldest, timedelta()) if oldest else timedelta()
    outside = newest_outside()
    return {
        "log": newest.log,
        "size": f"{newest.size:,}",
        "signed_at": newest.signed_at,
        "lag": span(lag) if oldest else "",
        "is_late": lag > LONG,
        "outside_at": outside.accepted_at if outside else None,
        "outside_size": f"{outside.size:,}" if outside else "",
        "is_overdue": is_overdue(now=timezone.now()),
        "failing": [] if reader.is_confined else _failing(),
        "comparison": _comparison(reader),
        "destination": outside.destination if outside and not reader.is_confined else "",
    }


def _failing() -> list[dict[str, Any]]:
    """Return the destinations whose last attempts have failed."""
    return [
        {
            "destination": each.destination,
            "failures": each.failures,
            "problem": each.problem,
            "next_at": each.next_at,
        }
        for each in standings(destinations())
        if each.failures
    ]


def _comparison(reader: Actor) -> dict[str, Any] | None:
    """Return the last comparison with the log: a reader of one customer sees only the number."""
    records = CommandRecord.objects.filter(message_type=RecordLogComparison.message_type)
    record = records.filter(status=Status.SUCCEEDED).order_by("-position").first()
    if record is None:
        return None
    found = record.data["differences"]
    return {
        "at": record.received_at,
        "leaves": f"{record.data['leaves']:,}",
        "found": record.data["found"],
        "differences": [] if reader.is_confined else found[:MOST_SHOWN],
        "is_cut": record.data["found"] > MOST_SHOWN and not reader.is_confined,
    }
