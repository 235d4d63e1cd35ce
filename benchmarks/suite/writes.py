"""Enable and disable over DRF, all recorded, beside a viewset that records less."""

from benchmarks.suite.crew import crew_of, interleaved
from benchmarks.suite.measuring import Measuring
from benchmarks.suite.results import Figures, Goal, Result

_PLAIN = "plain ModelViewSet PATCH, no audit"
_WHAT = "enable/disable over DRF, all recorded"
_PROCESSES = 4
_RIVALS = {
    "simple-history": Goal(_WHAT, "plain + django-simple-history 3.13.0", 2.0, 1.3),
    "auditlog": Goal(_WHAT, "plain + django-auditlog 3.4.1", 2.3, 1.5),
    "reversion": Goal(_WHAT, "plain + django-reversion 6.4.0", 2.7, 1.8),
    "pghistory": Goal(_WHAT, "plain + django-pghistory 3.9.2", 1.7, 1.1),
}
_NOTE = (
    "Both authenticate with the same key and use the same middleware. Ours is `/api/v2`, whose "
    "response has more than the five fields of the other serializer."
)
_ATOMIC = (
    "The other packages run with ATOMIC_REQUESTS; without it, change and history are two "
    "transactions. They record the change without its actor: they support only Django's users."
)


def write(measuring: Measuring) -> list[Result]:
    """Measure against no audit at all, by one process and by four."""
    results = []
    for size in (1, _PROCESSES):
        found = _sides(measuring, size, ("plain",))
        who = "1 thread" if size == 1 else f"{size} processes"
        for version in ("v2", "v1"):
            goal = Goal(f"{_WHAT}, {version}, {who}", _PLAIN, 1.5, 1.0)
            results.append(_result("write", goal, found[version], found["plain"], _NOTE))
    return results


def rivals(measuring: Measuring) -> list[Result]:
    """Measure against the packages that keep a history."""
    found = _sides(measuring, 1, tuple(_RIVALS))
    return [
        _result("rivals", goal, found["v2"], found[name], _ATOMIC) for name, goal in _RIVALS.items()
    ]


def _sides(measuring: Measuring, size: int, others: tuple[str, ...]) -> dict[str, Figures]:
    with crew_of(size, measuring.stage) as crew:
        ours = {version: (crew, f"toggle {version}") for version in ("v2", "v1")}
        theirs = {name: (crew, f"patch {name}") for name in others}
        label = f"writes over HTTP, {size} at a time"
        return interleaved(ours | theirs, **measuring.rounds, label=label)


def _result(row: str, goal: Goal, ours: Figures, theirs: Figures, note: str) -> Result:
    ratio = ours.rate / theirs.rate
    return Result(row=row, goal=goal, measured=ratio, sides=[ours, theirs], note=note)
