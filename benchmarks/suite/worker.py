"""A process that takes part in a measurement: Django, on the database of the stage."""

import logging
import warnings

import django

from benchmarks.suite.stage import Stage, join
from config.first_run import preparing


def set_up(stage: Stage) -> None:
    """Make this process ready to work."""
    preparing.prepare()
    # The files that pages refer to need not have been collected.
    warnings.filterwarnings("ignore", message="No directory at")
    django.setup()
    logging.disable()
    join(stage.database)
