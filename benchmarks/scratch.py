"""A database of its own for a benchmark, made by the owner and thrown away after it."""

from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.db import connections
from django.test.utils import setup_databases, teardown_databases

from config import first_run


@contextmanager
def database() -> Iterator[None]:
    """Set Django up on a fresh database; both roles work as they do when serving."""
    first_run.prepare()
    django.setup()
    for alias in connections:
        connections[alias].settings_dict["TEST"]["NAME"] = "countersign_benchmark"
    made = setup_databases(verbosity=0, interactive=False)
    try:
        yield
    finally:
        connections["default"].close()
        teardown_databases(made, verbosity=0)
