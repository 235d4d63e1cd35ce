"""The chart of a case on a time axis, as coordinates for a template.

Commands take milliseconds, and people hours. The axis is to scale within each burst of activity;
the waits between bursts are gaps of equal width, labeled with their length.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from audit.pages.labels import span
from audit.pages.timelines.steps import Step

# Everything in pixels.
LABELS = 290
_ROW, _HEAD = 24, 46
_MIDDLE = _ROW // 2
_INDENT = 14
_BREAK, _LEAST_BURST, _CHART = 96, 96, 980
_MARGIN, _LEAST_BAR, _SMALL = 14, 5, 6
_CHARACTER = 7.2
_IDLE = timedelta(seconds=1)
_LEAST_SPAN = timedelta(milliseconds=1)


class Burst(NamedTuple):
    """A time range with activity, and its place on the axis."""

    start: datetime
    end: datetime
    left: float
    width: float

    @property
    def lasted(self) -> str:
        return span(self.end - self.start)

    def x(self, at: datetime) -> float:
        """Return the place of a time."""
        share = (at - self.start) / max(self.end - self.start, _LEAST_SPAN)
        return round(self.left + share * self.width, 1)


class Wait(NamedTuple):
    """A time range without activity, between two bursts."""

    middle: float
    lasted: str


class Mark(NamedTuple):
    """A step in the chart: its label, its bar or shape, and a dashed line while it waited.

    ``top`` is the top of its row, and the other vertical coordinates are relative to it.
    """

    step: Step
    label: str
    label_x: int
    top: int
    x: float
    width: float
    elbow: str
    shape: str
    waited_to: float | None
    figure: str

    @property
    def end(self) -> float:
        return self.x + self.width

    @property
    def figure_x(self) -> float:
        return max(self.end, self.waited_to or 0) + _SMALL + 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The chart of a case."""

    width: int
    bottom: int
    bursts: list[Burst]
    waits: list[Wait]
    marks: list[Mark]


def timeline(steps: Sequence[Step]) -> Timeline:
    """Return the chart of some steps: one row for each, in their order."""
    bursts, waits = _axis(steps)
    marks = []
    parents: dict[int, int] = {}
    for place, step in enumerate(steps):
        mark = _mark(step, place, bursts=bursts, parent=parents.get(step.depth - 1))
        parents[step.depth] = mark.top
        marks.append(mark)
    return Timeline(
        width=round(bursts[-1].left + bursts[-1].width) + 4 * _MARGIN,
        bottom=_HEAD + _ROW * len(steps),
        bursts=bursts,
        waits=waits,
        marks=marks,
    )


def _axis(steps: Sequence[Step]) -> tuple[list[Burst], list[Wait]]:
    spans = _active(steps)
    width = max(_LEAST_BURST, (_CHART - _BREAK * (len(spans) - 1)) / len(spans))
    bursts: list[Burst] = []
    waits: list[Wait] = []
    left: float = LABELS + _MARGIN
    for start, end in spans:
        if bursts:
            waits.append(Wait(left + _BREAK / 2, span(start - bursts[-1].end)))
            left += _BREAK
        bursts.append(Burst(start, end, round(left, 1), width))
        left += width
    return bursts, waits


def _active(steps: Sequence[Step]) -> list[tuple[datetime, datetime]]:
    """Return the time ranges of the steps, joined if less than a second is between them."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted((step.at, step.ends_at) for step in steps):
        if merged and start - merged[-1][1] < _IDLE:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _mark(step: Step, place: int, *, bursts: Sequence[Burst], parent: int | None) -> Mark:
    top, indent, x = _HEAD + _ROW * place, _INDENT * step.depth, _x(step.at, bursts)
    return Mark(
        step=step,
        label=_cut(step.label, round((LABELS - indent) / _CHARACTER)),
        label_x=indent + 4,
        top=top,
        x=x,
        width=max(_x(step.ends_at, bursts) - x, _LEAST_BAR),
        elbow="" if parent is None else _elbow(indent, parent - top),
        shape=_shape(step.kind, x),
        waited_to=_x(step.waited_until, bursts) if step.waited_until else None,
        figure=f"waited {step.waited}" if step.waited else step.took,
    )


def _x(at: datetime, bursts: Sequence[Burst]) -> float:
    place = bisect_right([burst.start for burst in bursts], at) - 1
    return bursts[max(place, 0)].x(at)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _elbow(indent: int, parent: int) -> str:
    """Return the line to a step from its parent, whose row is ``parent`` pixels below."""
    return f"M{indent - _INDENT + 8} {parent + _MIDDLE + 8}V{_MIDDLE}H{indent}"


def _shape(kind: str, x: float) -> str:
    """Return the shape of a step without duration: an event, a history row or a request."""
    near, far = x - _SMALL + 1, x + _SMALL - 1
    match kind:
        case "event":
            return f"M{near} {_MIDDLE}L{x} {_MIDDLE - 5}L{far} {_MIDDLE}L{x} {_MIDDLE + 5}Z"
        case "change":
            return f"M{near + 1} {_MIDDLE - 4}H{far - 1}V{_MIDDLE + 4}H{near + 1}Z"
        case "request":
            return f"M{near} {_MIDDLE}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z"
        case _:
            return ""
