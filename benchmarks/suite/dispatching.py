"""The bus alone, beside bare psycopg and, by way of that, beside Commanded."""

from typing import NamedTuple

from benchmarks.suite.crew import crew_of, interleaved
from benchmarks.suite.measuring import Measuring
from benchmarks.suite.results import Figures, Goal, Result


class _Peer(NamedTuple):
    """The rate of Commanded elsewhere, and that of bare psycopg beside it, a second."""

    commanded: float
    bare: float


# Elixir 1.14, Commanded 1.4.8 and EventStore 1.4.8 with the audit middleware and a domain row, 3
# rounds of 3 s, and the same rows by bare psycopg 3.3.9 in one transaction on that machine.
_PEERS = {
    "1 caller": (1, "dispatch", "bare", _Peer(160, 652)),
    "8 callers on distinct subjects": (8, "dispatch", "bare", _Peer(377, 1275)),
    "8 callers on one subject": (8, "dispatch_on_one", "bare_on_one", _Peer(175, 564)),
}
_NOTE = (
    "Commanded was measured on another day, at {commanded:.0f}/s: {share:.2f} of bare psycopg's "
    "{bare:.0f}/s in the same run. Ours is {ours:.2f} of bare psycopg's rate here. These shares "
    "are compared, not the rates."
)


def alone(measuring: Measuring) -> list[Result]:
    """Measure a dispatch against the same rows written statement by statement."""
    ours, bare = _sides(measuring, 1, "dispatch", "bare")
    goal = Goal("dispatch() alone", "bare psycopg, same rows, statement by statement", 0.6, 0.35)
    return [Result(row="dispatch", goal=goal, measured=ours.rate / bare.rate, sides=[ours, bare])]


def commanded(measuring: Measuring) -> list[Result]:
    """Measure it by several callers, and compare its share of bare psycopg with Commanded's."""
    results = []
    for who, (size, ours_case, bare_case, peer) in _PEERS.items():
        ours, bare = _sides(measuring, size, ours_case, bare_case)
        share, theirs = ours.rate / bare.rate, peer.commanded / peer.bare
        results.append(
            Result(
                row="commanded",
                goal=Goal(f"dispatch() alone, {who}", "Commanded, calibrated", 2.0, 1.4),
                measured=share / theirs,
                sides=[ours, bare],
                note=_NOTE.format(**peer._asdict(), share=theirs, ours=share),
            )
        )
    return results


def _sides(measuring: Measuring, size: int, ours: str, bare: str) -> tuple[Figures, Figures]:
    with crew_of(size, measuring.stage) as crew:
        sides = {"dispatch()": (crew, ours), "bare psycopg": (crew, bare)}
        label = f"dispatch, {size} at a time"
        found = interleaved(sides, **measuring.rounds, label=label)
    return found["dispatch()"], found["bare psycopg"]
