"""The table of what was measured: on the terminal, and in docs/benchmarks.md."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.suite.results import Figures, Result

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


def as_text(results: Iterable[Result]) -> str:
    """Write the table for a terminal."""
    lines = []
    for each in results:
        goal = each.goal
        lines.append(f"\n{goal.what}\n  against {goal.against}")
        wanted = f"goal {_number(goal.goal, goal.unit)}, least {_number(goal.least, goal.unit)}"
        lines.append(f"  {_number(each.measured, goal.unit):>10}   {wanted}: {each.verdict}")
        lines += [f"    {_side(side)}" for side in each.sides]
    return "\n".join(lines) + "\n"


def write_page(results: dict[str, Result], machine: dict[str, str]) -> None:
    """Replace the measured part of the page, and leave the rest of it as it is."""
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    measured = f"{_BEGIN}\n{_markdown(results.values(), machine)}{_END}"
    PAGE.write_text(before + measured + after)


def _markdown(results: Iterable[Result], machine: dict[str, str]) -> str:
    ordered = list(results)
    on = "; ".join(f"{name} {value}" for name, value in machine.items())
    lines = [
        "![Measured results, as shares of their goals](benchmarks.svg)",
        "",
        f"On: {on}.",
        "",
        "| what | against | goal | least | measured | | on |",
        "|---|---|---|---|---|---|---|",
        *map(_row, ordered),
        "",
        "Both sides, in medians; the spread is that of the middle half of all rounds:",
        "",
        "| | per second | spread | median | p99 |",
        "|---|---|---|---|---|",
        *(_side_row(each, side) for each in ordered for side in each.sides),
        "",
        *_notes(ordered),
    ]
    return "\n".join(lines) + "\n"


def _row(each: Result) -> str:
    goal = each.goal
    numbers = (_number(value, goal.unit) for value in (goal.goal, goal.least, each.measured))
    return f"| {goal.what} | {goal.against} | {' | '.join(numbers)} | {each.verdict} | {each.at} |"


def _side_row(each: Result, side: Figures) -> str:
    name = f"{each.row}: {side.name}"
    figures = f"{side.rate:,.0f} | {side.spread:.0%}"
    return f"| {name} | {figures} | {side.median_ms:.2f} ms | {side.p99_ms:.2f} ms |"


def _notes(results: Iterable[Result]) -> list[str]:
    notes = dict.fromkeys(f"- **{each.row}**: {each.note}" for each in results if each.note)
    return [*notes]


def _side(side: Figures) -> str:
    times = f"median {side.median_ms:8.3f} ms   p99 {side.p99_ms:8.2f} ms"
    return f"{side.name:32}{side.rate:10,.0f}/s ±{side.spread / 2:4.0%}   {times}"


def _number(value: float, unit: str) -> str:
    if unit == "x":
        return f"{value:.2f} x"
    return f"{value:.1f} {unit}"
