"""A case on an axis of time, as the coordinates of a picture.

Commands take milliseconds, and people hours. The axis is to scale within each burst of activity;
the waits between bursts are breaks of one width, and say how long they were.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.pages.labels import span
from audit.pages.timelines.steps import Step

# Everything in pixels.
LABELS = 290
_ROW, _HEAD, _FOOT, _AXIS = 24, 46, 10, 40
_INDENT = 14
_BREAK, _LEAST_BURST, _CHART = 96, 96, 980
_MARGIN, _LEAST_BAR, _SMALL = 14, 5, 6
_CHARACTER = 7.2
_IDLE = timedelta(seconds=1)
_LEAST_SPAN = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """A stretch of time in which something happens, and where it is drawn."""

    start: datetime
    end: datetime
    left: float
    width: float
    day: str
    clock: str
    lasted: str
    tall: int

    def x(self, moment: datetime) -> float:
        """Place a moment."""
        share = (moment - self.start) / max(self.end - self.start, _LEAST_SPAN)
        return round(self.left + share * self.width, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A stretch in which nothing happens."""

    left: float
    middle: float
    lasted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A step as it is drawn: its label, its bar or shape, and the dashes while it was held."""

    step: Step
    label: str
    label_x: int
    top: int
    middle: int
    baseline: int
    bar_top: int
    x: float
    width: float
    elbow: str
    shape: str
    held_x: float | None
    held_to: float | None
    figure_x: float
    figure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """A picture of a case."""

    width: int
    height: int
    bottom: int
    bursts: list[Burst]
    waits: list[Wait]
    marks: list[Mark]


def timeline(steps: Sequence[Step]) -> Timeline:
    """Lay out steps, one a row, in their order."""
    bursts, waits, width = _axis(steps)
    marks = []
    parents: dict[int, int] = {}
    for place, step in enumerate(steps):
        mark = _mark(step, place, bursts=bursts, parent=parents.get(step.depth - 1))
        parents[step.depth] = mark.middle
        marks.append(mark)
    height = _HEAD + _ROW * len(steps) + _FOOT
    return Timeline(
        width=round(width),
        height=height,
        bottom=height - _FOOT,
        bursts=bursts,
        waits=waits,
        marks=marks,
    )


def _axis(steps: Sequence[Step]) -> tuple[list[Burst], list[Wait], float]:
    spans = _active(steps)
    room = _CHART - _BREAK * (len(spans) - 1)
    width = max(_LEAST_BURST, room / len(spans))
    bursts: list[Burst] = []
    waits: list[Wait] = []
    left: float = LABELS + _MARGIN
    for start, end in spans:
        if bursts:
            lasted = span(start - bursts[-1].end)
            waits.append(Wait(left=left + _MARGIN, middle=left + _BREAK / 2, lasted=lasted))
            left += _BREAK
        day = "" if bursts and bursts[-1].start.date() == start.date() else f"{start:%Y-%m-%d}"
        bursts.append(
            Burst(
                start=start,
                end=end,
                left=round(left, 1),
                width=width,
                day=day,
                clock=f"{start:%H:%M:%S}",
                lasted=span(end - start),
                tall=_ROW * len(steps) + _HEAD - _AXIS,
            )
        )
        left += width
    return bursts, waits, left + 4 * _MARGIN


def _active(steps: Sequence[Step]) -> list[tuple[datetime, datetime]]:
    """Merge the steps into stretches with less than a second of nothing in between."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted((step.at, step.ends_at) for step in steps):
        if merged and start - merged[-1][1] < _IDLE:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _mark(step: Step, place: int, *, bursts: Sequence[Burst], parent: int | None) -> Mark:
    top, indent = _HEAD + _ROW * place, _INDENT * step.depth
    middle = top + _ROW // 2
    x = _x(step.at, bursts)
    width = max(_x(step.ends_at, bursts) - x, _LEAST_BAR)
    held_to = _x(step.held_until, bursts) if step.held_until else None
    return Mark(
        step=step,
        label=_cut(step.label, round((LABELS - indent) / _CHARACTER)),
        label_x=indent + 4,
        top=top,
        middle=middle,
        baseline=middle + 4,
        bar_top=middle - 6,
        x=x,
        width=width,
        elbow="" if parent is None else _elbow(indent, parent=parent, middle=middle),
        shape=_shape(step.kind, x, middle),
        held_x=x + width if held_to else None,
        held_to=held_to,
        figure_x=max(x + width, held_to or 0) + _SMALL + 2,
        figure=f"held {step.held}" if step.held else step.took,
    )


def _x(moment: datetime, bursts: Sequence[Burst]) -> float:
    place = bisect_right([burst.start for burst in bursts], moment) - 1
    return bursts[max(place, 0)].x(moment)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _elbow(indent: int, *, parent: int, middle: int) -> str:
    x = indent - _INDENT + 8
    return f"M{x} {parent + 8}V{middle}H{indent}"


def _shape(kind: str, x: float, middle: int) -> str:
    """Draw what takes no time: a diamond for an event, a square for a row, a ring for a request."""
    near, far = x - _SMALL + 1, x + _SMALL - 1
    match kind:
        case "event":
            return f"M{near} {middle}L{x} {middle - 5}L{far} {middle}L{x} {middle + 5}Z"
        case "change":
            return f"M{near + 1} {middle - 4}H{far - 1}V{middle + 4}H{near + 1}Z"
        case "request":
            return f"M{near} {middle}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z"
        case _:
            return ""
