"""Writes and dispatches of this checkout, beside those of an older commit.

    python -m benchmarks.compare OLD_COMMIT [rounds]

The old commit is checked out into a temporary git worktree. Each side runs in a process of its own,
with a database of its own on the same PostgreSQL server. The two take turns of some 50 ms, so that
other load on the machine affects both alike. The ratio of a round is that of the median durations.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_DRIVER = Path(__file__).with_name("compared.py")
# How often the work is repeated in one turn.
_WORKS = {"write": 12, "dispatch": 24}
_TURNS = 10
_FEWEST_ROUNDS = 10


def main(commit: str, rounds: int = 20) -> None:
    """Measure and print the ratios."""
    write = sys.stdout.write
    with (
        checked_out(commit) as old_root,
        _side(old_root, "old") as old,
        _side(_ROOT, "new") as new,
    ):
        found = {name: _ratios(old, new, name, rounds) for name in _WORKS}
    write(f"{'duration, new/old':20}{'median':>8}{'least':>8}{'most':>8}{'rounds':>8}\n")
    for name, ratios in found.items():
        median, least, most = statistics.median(ratios), min(ratios), max(ratios)
        write(f"{name:20}{median:8.3f}{least:8.3f}{most:8.3f}{len(ratios):8}\n")


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    git = ("git", "-C", str(_ROOT), "worktree")
    with tempfile.TemporaryDirectory(prefix="countersign-compare-") as directory:
        root = Path(directory, "old")
        _run(*git, "add", "--quiet", "--detach", str(root), commit)
        try:
            yield root
        finally:
            _run(*git, "remove", "--force", str(root))


@contextmanager
def _side(root: Path, name: str) -> Iterator["subprocess.Popen[str]"]:
    data = os.environ.get("DATA_DIR") or str(_ROOT / ".data")
    process = subprocess.Popen(
        # Without -P, the modules beside the driver would hide others of the same name.
        [sys.executable, "-P", str(_DRIVER), f"countersign_compare_{name}"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "DATA_DIR": data},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _answer(process)
        yield process
    finally:
        process.communicate()


def _ratios(
    old: "subprocess.Popen[str]", new: "subprocess.Popen[str]", work: str, rounds: int
) -> list[float]:
    rounds, ratios = max(rounds, _FEWEST_ROUNDS), []
    # The first round prepares statements and fills caches.
    for round_ in range(rounds + 1):
        ratios.append(_ratio(old, new, work))
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{work}: round {round_} of {rounds} ")
    return ratios[1:]


def _ratio(old: "subprocess.Popen[str]", new: "subprocess.Popen[str]", work: str) -> float:
    seconds: dict[int, list[float]] = {old.pid: [], new.pid: []}
    for turn in range(_TURNS):
        for side in (old, new) if turn % 2 else (new, old):
            seconds[side.pid].append(_seconds(side, work))
    return statistics.median(seconds[new.pid]) / statistics.median(seconds[old.pid])


def _seconds(side: "subprocess.Popen[str]", work: str) -> float:
    if side.stdin is not None:
        side.stdin.write(f"{work} {_WORKS[work]}\n")
        side.stdin.flush()
    return float(_answer(side))


def _answer(side: "subprocess.Popen[str]") -> str:
    line = side.stdout.readline().strip() if side.stdout else ""
    if not line:
        message = "one of the two sides has ended early; its own message is above"
        raise RuntimeError(message)
    return line


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
