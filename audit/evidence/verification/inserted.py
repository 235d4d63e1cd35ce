"""Records that the log should have, but has no leaf for."""

from collections.abc import Iterator

from django.db.models import Exists, Max, OuterRef

from audit.evidence.models import Leaf, SignedCheckpoint
from audit.evidence.sequencing.logs import place_of_checkpoint
from audit.evidence.verification.problems import Problem, Progress
from audit.log.feed import DELIVERY
from audit.models.records import CommandRecord, EventRecord, Record

_PART = 50_000
_NAMES: dict[str, type[Record]] = {"Command record": CommandRecord, "Event record": EventRecord}


def inserted_records(newest: SignedCheckpoint) -> Iterator[Progress]:
    """Yield the records without a leaf up to the place of a checkpoint.

    The sequencer adds leaves in the order of the feed, so at that place each record has one.
    """
    for name, model in _NAMES.items():
        records = model._default_manager.exclude(DELIVERY.behind(place_of_checkpoint(newest)))
        last = records.aggregate(last=Max("position"))["last"] or 0
        lowest = records.order_by("position").values_list("position", flat=True).first() or 0
        unknown = records.filter(~Exists(Leaf.objects.filter(position=OuterRef("position"))))
        for first in range(lowest, last + 1, _PART):
            part = unknown.filter(position__gte=first, position__lt=first + _PART)
            found = part.order_by("position").values_list("position", "message_type")
            yield Progress(
                0,
                [Problem("inserted", f"{name} {position} ({type_})") for position, type_ in found],
            )
