"""The page of a case: every command that one command led to, with its events and changes."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q

from audit.actors.actors import Actor
from audit.messages.classes import Subject
from audit.models.records import CommandRecord
from audit.pages.changes import Revision
from audit.pages.labels import span
from audit.pages.lines import Line, arrange, full_lines, subject_of
from audit.pages.timelines import histories
from audit.pages.timelines.chart import timeline
from audit.pages.timelines.steps import in_depth, tree
from audit.subjects.names import found

MOST_COMMANDS = 500
MOST_DRAWN = 80
MOST_REVISIONS = 5_000
# Commands have times of the web server, history rows those of the database.
_CLOCKS_DIFFER_BY = timedelta(minutes=1)
_COUNTED = {"command": "attempt", "event": "event", "change": "history row"}


def case(correlation_id: UUID, *, actor: Actor) -> dict[str, Any] | None:
    """Return the page of a case; None if the actor may see nothing of it."""
    records = actor.confine(CommandRecord.objects.filter(correlation_id=correlation_id))
    read = list(records.order_by("position")[: MOST_COMMANDS + 1])
    if not read:
        return None
    lines = full_lines(read[:MOST_COMMANDS], actor=actor)
    changed = revisions_in(lines, actor=actor)
    roots = tree(arrange(lines), revisions=changed, correlation_id=correlation_id)
    steps = list(in_depth(roots))
    kinds = Counter(step.kind for step in steps)
    return {
        "correlation_id": correlation_id,
        "command": min(lines, key=lambda line: line.record.received_at).command_words,
        "steps": steps,
        "picture": timeline(steps[:MOST_DRAWN]),
        "is_picture_cut": len(steps) > MOST_DRAWN,
        "drawn": MOST_DRAWN,
        "is_cut": len(read) > MOST_COMMANDS,
        "most": MOST_COMMANDS,
        "lasted": span(max(step.ends_at for step in steps) - steps[0].at),
        "counts": [
            (kinds[kind], label if kinds[kind] == 1 else f"{label}s")
            for kind, label in _COUNTED.items()
        ],
    }


def revisions_in(lines: Sequence[Line], *, actor: Actor) -> dict[Subject, list[Revision]]:
    """Return the history rows that the commands wrote of their subjects.

    History is indexed by object, so it is read for the subjects that the case names: two queries
    and the names for each type of them, and for each table with parts of these.
    """
    named = _subjects(lines)
    present = found(named, actor=actor)
    seen = present.keys() | histories.deleted(named - present.keys(), actor=actor)
    times = [line.at for line in lines]
    wanted = Q(
        history_date__gte=min(times) - _CLOCKS_DIFFER_BY,
        history_date__lte=max(times) + _CLOCKS_DIFFER_BY,
        history_command_id__in={line.record.command_id for line in lines},
    )
    rows: defaultdict[Subject, list[Revision]] = defaultdict(list)
    for subject, revision in histories.revisions_of(seen, wanted=wanted, most=MOST_REVISIONS):
        rows[subject].append(revision)
    return rows


def _subjects(lines: Sequence[Line]) -> set[Subject]:
    of_events = (subject_of(fact.record) for line in lines for fact in line.facts)
    return set(filter(None, (*(line.subject for line in lines), *of_events)))
