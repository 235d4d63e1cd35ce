"""What the page of a case shows: everything that came of one command."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from audit.actors.actors import Actor
from audit.messages.classes import Subject
from audit.models.records import CommandRecord
from audit.pages.changes import Revision, history_of, revisions
from audit.pages.labels import span
from audit.pages.lines import Line, arrange, full_lines
from audit.pages.timelines.chart import Timeline, timeline
from audit.pages.timelines.steps import Step, tree, walk
from audit.subjects import types
from audit.subjects.names import found

MOST_COMMANDS = 500
MOST_DRAWN = 80
# The program stamps history rows by its clock, and the database events by its own.
_CLOCKS_DIFFER_BY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that came of one command: as steps in order, and as a picture of the first."""

    correlation_id: UUID
    first: Line
    steps: list[Step]
    picture: Timeline
    is_cut: bool

    @property
    def is_picture_cut(self) -> bool:
        """Whether there are more steps than are drawn."""
        return len(self.steps) > MOST_DRAWN

    @property
    def most(self) -> int:
        """How many attempts are read."""
        return MOST_COMMANDS

    @property
    def drawn(self) -> int:
        """How many steps are drawn."""
        return len(self.picture.marks)

    @property
    def lasted(self) -> str:
        """How long it took from the first step to the end of the last one."""
        return span(max(step.ends_at for step in self.steps) - self.steps[0].at)

    @property
    def counts(self) -> list[tuple[int, str]]:
        """How many steps of each kind there are."""
        kinds = [step.kind for step in self.steps]
        counted = (("command", "attempts"), ("event", "events"), ("change", "history rows"))
        return [(kinds.count(kind), words) for kind, words in counted]


def case(correlation_id: UUID, *, actor: Actor) -> Case | None:
    """Read every attempt and event of a case; None if the actor may see nothing of it."""
    records = actor.confine(CommandRecord.objects.filter(correlation_id=correlation_id))
    read = list(records.order_by("position")[: MOST_COMMANDS + 1])
    if not read:
        return None
    lines = full_lines(read[:MOST_COMMANDS], actor=actor)
    changed = _revisions(lines, actor=actor)
    steps = list(walk(tree(arrange(lines), revisions=changed, correlation_id=correlation_id)))
    return Case(
        correlation_id=correlation_id,
        first=min(lines, key=lambda line: line.record.received_at),
        steps=steps,
        picture=timeline(steps[:MOST_DRAWN]),
        is_cut=len(read) > MOST_COMMANDS,
    )


def _revisions(lines: Sequence[Line], *, actor: Actor) -> dict[Subject, list[Revision]]:
    """Read the history rows that the commands wrote of what they are about.

    History is found by object, so it is asked for the objects that the case names: two queries
    and the names for each type of them.
    """
    rows: dict[Subject, list[Revision]] = {}
    keys: defaultdict[str, set[str]] = defaultdict(set)
    for subject in found(_subjects(lines), actor=actor):
        keys[subject.type].add(subject.id)
    for type_name, identifiers in keys.items():
        for revision in _of_type(type_name, identifiers, lines):
            rows.setdefault(Subject(type_name, revision.key), []).append(revision)
    return rows


def _of_type(type_name: str, identifiers: set[str], lines: Sequence[Line]) -> list[Revision]:
    subject_type = types.subject_type(type_name)
    history = history_of(subject_type.model) if subject_type else None
    if subject_type is None or history is None:
        return []
    times = [line.at for line in lines]
    written = history.filter(
        **{f"{subject_type.model._meta.pk.attname}__in": identifiers},
        history_date__gte=min(times) - _CLOCKS_DIFFER_BY,
        history_date__lte=max(times) + _CLOCKS_DIFFER_BY,
        history_command_id__in={line.record.command_id for line in lines},
    )
    return revisions(list(written))


def _subjects(lines: Sequence[Line]) -> set[Subject]:
    named = {line.subject for line in lines if line.subject}
    facts = (fact.record for line in lines for fact in line.facts)
    told = {Subject(each.subject_type, each.subject_id) for each in facts if each.subject_type}
    return named | told
