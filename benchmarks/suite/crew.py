"""Processes that do one piece of work after another, all of them at the same moment."""

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from benchmarks.suite.progress import Progress
from benchmarks.suite.results import Figures
from benchmarks.suite.stage import Stage

_WARM_UP_SECONDS = 0.3
# Each worker gets the order before this, and so begins with the others.
_HEAD_START_SECONDS = 0.02


class Shift(NamedTuple):
    """The work of one worker in a period: the duration of each piece, in milliseconds."""

    times: list[float]
    seconds: float


class Crew:
    """Workers that share nothing but the database."""

    def __init__(self, stage: Stage, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes, self._processes = [], []
        for place in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, stage, place), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)
        for pipe in self._pipes:
            _received(pipe)

    def run(self, case: str, *, seconds: float) -> list[Shift]:
        """Run one kind of work on all of them for a period."""
        begin = time.monotonic() + _HEAD_START_SECONDS
        for pipe in self._pipes:
            pipe.send((case, begin, seconds))
        return [_received(pipe) for pipe in self._pipes]

    def close(self) -> None:
        """Send them home."""
        for pipe in self._pipes:
            pipe.send(None)
        for process in self._processes:
            process.join()


@contextmanager
def crew_of(size: int, stage: Stage) -> Iterator[Crew]:
    """Run N workers until the block is left."""
    crew = Crew(stage, size)
    try:
        yield crew
    finally:
        crew.close()


def interleaved(
    sides: dict[str, tuple[Crew, str]], *, rounds: int, seconds: float, label: str
) -> dict[str, Figures]:
    """Run the sides in turns, so that other load on the machine affects all alike."""
    for crew, case in sides.values():
        crew.run(case, seconds=_WARM_UP_SECONDS)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    times: dict[str, list[float]] = {name: [] for name in sides}
    progress = Progress(label, total=rounds)
    for round_ in range(rounds):
        # None comes first, or after the same one, more often than another.
        order = list(sides)[round_ % len(sides) :] + list(sides)[: round_ % len(sides)]
        for name in order:
            crew, case = sides[name]
            shifts = crew.run(case, seconds=seconds)
            rates[name].append(sum(len(each.times) / each.seconds for each in shifts))
            times[name] += [each for shift in shifts for each in shift.times]
        progress.tell(round_ + 1)
    return {name: Figures.of(name, rates[name], times[name]) for name in sides}


def _received(pipe: Any) -> Any:
    answer = pipe.recv()
    match answer:
        case str():
            raise RuntimeError(answer)
        case _:
            return answer


def _work(pipe: Any, stage: Stage, place: int) -> None:
    """Work until the message to stop."""
    from benchmarks.suite import worker  # noqa: PLC0415  # which sets Django up

    worker.set_up(stage)
    from benchmarks.suite.cases import Cases  # noqa: PLC0415

    cases = Cases(stage, place)
    pipe.send(None)
    while order := pipe.recv():
        pipe.send(_shift(cases, *order))


def _shift(cases: Any, case: str, begin: float, seconds: float) -> Shift | str:
    try:
        work = cases.work(case)
        time.sleep(max(0.0, begin - time.monotonic()))
        return _timed(work, seconds=seconds)
    except Exception as error:  # noqa: BLE001  # the other process is to hear of it
        return f"{case}: {error!r}"


def _timed(work: Callable[[], object], *, seconds: float) -> Shift:
    times, started = [], time.perf_counter()
    now, end = started, started + seconds
    while now < end:
        work()
        after = time.perf_counter()
        times.append((after - now) * 1000)
        now = after
    return Shift(times, now - started)
