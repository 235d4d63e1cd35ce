"""Pieces of work in this very process, each timed by itself."""

import time
from collections.abc import Callable

from benchmarks.suite.progress import Progress

_TELL_EVERY = 50


def one_after_another(
    works: dict[str, Callable[[], object]], *, repeats: int, label: str
) -> dict[str, list[float]]:
    """Time each in turn, in milliseconds."""
    times: dict[str, list[float]] = {name: [] for name in works}
    warm_up, progress = repeats // 10, Progress(label, total=repeats)
    for repeat in range(-warm_up, repeats):
        # None comes first, or after the same one, more often than another.
        for name, work in list(works.items())[:: 1 if repeat % 2 else -1]:
            taken = milliseconds(work)
            if repeat >= 0:
                times[name].append(taken)
        if repeat >= 0 and ((repeat + 1) % _TELL_EVERY == 0 or repeat + 1 == repeats):
            progress.tell(repeat + 1)
    return times


def milliseconds(work: Callable[[], object]) -> float:
    """Time one piece of work."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
