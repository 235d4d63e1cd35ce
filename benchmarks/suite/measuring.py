"""The effort of the measurement, and its data."""

from typing import NamedTuple, TypedDict

from benchmarks.suite.stage import Stage


class Rounds(TypedDict):
    """The number of turns of each side, and the length of one."""

    rounds: int
    seconds: float


class Measuring(NamedTuple):
    """The arguments of every row."""

    stage: Stage
    is_quick: bool
    #: How many records the log has where many are meant.
    records: int

    @property
    def rounds(self) -> Rounds:
        """Many short turns: what else the machine does changes from second to second."""
        return {"rounds": 6, "seconds": 0.4} if self.is_quick else {"rounds": 30, "seconds": 0.5}

    @property
    def repeats(self) -> int:
        """The number of repetitions where pieces of work are timed one by one."""
        return 200 if self.is_quick else 2000
