"""How thoroughly to measure, and on what."""

from typing import NamedTuple, TypedDict

from benchmarks.suite.stage import Stage


class Rounds(TypedDict):
    """How many turns each side has, and how long one is."""

    rounds: int
    seconds: float


class Measuring(NamedTuple):
    """What every row is given."""

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
        """How often one piece of work is timed where pieces are timed one by one."""
        return 200 if self.is_quick else 2000
