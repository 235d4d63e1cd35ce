"""The result of a measurement: figures of both sides, and True if the goal is met."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.json"


class Goal(NamedTuple):
    """A promise: what, against what, how much of it, and the least that is accepted."""

    what: str
    against: str
    goal: float
    least: float
    #: Whether more is better, or less.
    better: Literal["more", "less"] = "more"
    unit: str = "x"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One side: how many a second, round by round, and how long each took, in milliseconds."""

    name: str
    rates: list[float]
    median_ms: float
    p99_ms: float

    @classmethod
    def of(cls, name: str, rates: Sequence[float], times: Sequence[float]) -> "Figures":
        """Sum up the rounds of a side."""
        ordered = sorted(times)
        return cls(
            name=name,
            rates=list(rates),
            median_ms=statistics.median(ordered),
            p99_ms=ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))],
        )

    @property
    def rate(self) -> float:
        """The rate a second, in the median round."""
        return statistics.median(self.rates)

    @property
    def spread(self) -> float:
        """The interquartile range of the rounds, as a share of the median."""
        if len(self.rates) < 2:  # noqa: PLR2004  # there are no quartiles of one
            return 0.0
        lower, _, upper = statistics.quantiles(self.rates, n=4)
        return (upper - lower) / self.rate if self.rate else 0.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row of the table, as measured."""

    row: str
    goal: Goal
    measured: float
    sides: list[Figures] = field(default_factory=list)
    #: What a reader has to know to judge it.
    note: str = ""
    at: str = ""

    @property
    def verdict(self) -> str:
        """Return True if the goal is met, or at least the minimum."""
        if _reaches(self.measured, self.goal.goal, self.goal.better):
            return "goal met"
        if _reaches(self.measured, self.goal.least, self.goal.better):
            return "least met"
        return "not met"


def _reaches(measured: float, wanted: float, better: str) -> bool:
    return measured >= wanted if better == "more" else measured <= wanted


def load() -> dict[str, Result]:
    """Read what was measured before, by the key of each row."""
    if not FILE.exists():
        return {}
    return {key: _result(kept) for key, kept in json.loads(FILE.read_text())["results"].items()}


def save(results: dict[str, Result], machine: dict[str, str]) -> None:
    """Keep what was measured; rows that were not measured this time stay as they are."""
    kept = {"machine": machine, "results": {key: asdict(each) for key, each in results.items()}}
    FILE.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


def key_of(result: Result) -> str:
    """Name a result among all."""
    return f"{result.row}: {result.goal.what} / {result.goal.against}"


def _result(kept: dict) -> Result:
    goal = Goal(*kept.pop("goal"))
    sides = [Figures(**each) for each in kept.pop("sides")]
    return Result(goal=goal, sides=sides, **kept)
