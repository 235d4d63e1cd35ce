"""The cost of ten thousand pending requests for an approver: the first page of each inbox.

    python -m benchmarks.inbox [requests]

Each page is read as its reader does, over HTTP; what is printed is the time that its queries took,
and their number. Ann of Security has voted on nothing; Bob on all but 25 of
the oldest, which is the bad case: whatever he has voted on has to be left out. Carol and Erin see
all that they see; Carol belongs to no group, and Erin to one that approves other commands.
"""

import logging
import os
import statistics
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.test import override_settings

from benchmarks import scratch
from benchmarks.progress import report

if TYPE_CHECKING:
    from benchmarks.reading import Reading

_ROUNDS = 20
_GOAL_MS = 15.0
_UNVOTED = 25
_PLAIN_STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
}


def main(requests: int = 10_000) -> None:
    """Measure and print."""
    with scratch.database():
        # Its models can be imported once Django is set up.
        from benchmarks.requests import Cast  # noqa: PLC0415

        # A line for each page read would be most of what is printed.
        logging.disable()
        cast = Cast()
        report("requests", cast.make_requests(requests), total=requests)
        report("votes", cast.make_votes(requests - _UNVOTED), total=requests - _UNVOTED)
        cast.settle()
        sys.stdout.write(f"{requests} pending requests, medians of {_ROUNDS} readings\n\n")
        sys.stdout.write(f"{'':50}{'queries':>9}{'database ms':>13}{'slowest ms':>12}\n")
        # The files that pages refer to need not have been collected.
        with override_settings(STORAGES=_PLAIN_STORAGES):
            for name, read in cast.pages():
                _measure(name, read)


def _measure(name: str, read: "Callable[[], Reading]") -> None:
    read()
    readings = [read() for _ in range(_ROUNDS)]
    median = statistics.median(reading.milliseconds for reading in readings)
    slowest = statistics.median(reading.slowest_ms for reading in readings)
    mark = "" if median < _GOAL_MS else f"  over {_GOAL_MS:.0f} ms"
    numbers = f"{readings[0].queries:9}{median:13.2f}{slowest:12.2f}"
    sys.stdout.write(f"{name:50}{numbers}{mark}\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
