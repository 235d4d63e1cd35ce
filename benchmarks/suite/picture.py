"""A picture of what was measured: how far each row has come on its way to the goal."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from benchmarks.suite.results import Result

FILE = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.svg"
_WIDTH, _LABELS, _LINE, _TOP = 960, 520, 30, 58
#: The width of the chart, as a share of the goal.
_MOST = 1.6
_STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }
    .quiet { fill: #59636e } .rule { stroke: #59636e; stroke-dasharray: 3 3 }
    .goal-met { fill: #1a7f37 } .least-met { fill: #9a6700 } .not-met { fill: #cf222e }
    .page { fill: #ffffff } .least { stroke: #1f2328; stroke-width: 2 }
    @media (prefers-color-scheme: dark) {
        text { fill: #f0f6fc } .quiet { fill: #9198a1 } .rule { stroke: #9198a1 }
        .goal-met { fill: #3fb950 } .least-met { fill: #d29922 } .not-met { fill: #f85149 }
        .page { fill: #0d1117 } .least { stroke: #f0f6fc }
    }
"""


def draw(results: Sequence[Result]) -> None:
    """Draw a bar for each row. It is long where the goal is surpassed, whichever way that is."""
    height = _TOP + _LINE * len(results) + 12
    goal = _x(1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>Measured, as a share of the goal</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{height}"/>',
        '<text x="16" y="24">Measured, as a share of the goal</text>',
        '<text class="quiet" x="16" y="42">The stroke on a bar: the least accepted</text>',
        f'<text x="{goal}" y="42" text-anchor="middle">goal</text>',
        f'<line class="rule" x1="{goal}" x2="{goal}" y1="48" y2="{height - 6}"/>',
        *(_bar(each, _TOP + _LINE * place) for place, each in enumerate(results)),
        "</svg>",
    ]
    FILE.write_text("\n".join(parts) + "\n")


def _bar(each: Result, top: int) -> str:
    kind = each.verdict.replace(" ", "-")
    least, end = _x(_share(each, each.goal.least)), _x(_share(each, each.measured))
    name = escape(f"{each.goal.what} / {each.goal.against}")
    shown = name if len(name) <= 74 else f"{name[:73]}…"  # noqa: PLR2004  # what has room
    return (
        f'<text x="16" y="{top + 17}">{shown}</text>'
        f'<rect class="{kind}" x="{_LABELS}" y="{top + 4}" width="{end - _LABELS}" height="18"/>'
        f'<line class="least" x1="{least}" x2="{least}" y1="{top + 2}" y2="{top + 24}"/>'
        f'<text x="{min(end + 6, _WIDTH - 70)}" y="{top + 17}">{each.measured:.2f} '
        f"{each.goal.unit}</text>"
    )


def _share(each: Result, value: float) -> float:
    """Return its share of the goal; where less is better, the goal's share of it."""
    if each.goal.better == "more":
        return value / each.goal.goal
    return each.goal.goal / max(value, each.goal.goal / _MOST)


def _x(share: float) -> int:
    width = _WIDTH - _LABELS - 80
    return _LABELS + int(width * min(max(share, 0.0), _MOST) / _MOST)
