"""Measure all that is promised of the program's speed, or some rows of it.

make bench                          all of it, some hours: with ten million records
make bench QUICK=1                  some minutes: with 100,000
make bench ROWS="write dispatch"    two rows
"""

import os
import warnings

os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.rivals.settings"

import django

from config.first_run import preparing


def main() -> None:
    """Set Django up, which the rest can only be imported after."""
    preparing.prepare()
    # The files that pages refer to need not have been collected.
    warnings.filterwarnings("ignore", message="No directory at")
    django.setup()
    from benchmarks.suite import running  # noqa: PLC0415

    running.main(__doc__ or "")


if __name__ == "__main__":
    main()
