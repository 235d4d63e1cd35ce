"""A database of its own for a benchmark, made by the owner and thrown away after it."""

from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.db import connections
from django.test.utils import setup_databases, teardown_databases

from config.first_run import preparing


@contextmanager
def database(name: str = "countersign_benchmark", *, is_kept: bool = False) -> Iterator[None]:
    """Set Django up on a database; both roles work as they do when serving.

    One that is kept is taken as it is if it is there already, and left there afterwards. Any
    other is a fresh one.
    """
    preparing.prepare()
    django.setup()
    for alias in connections:
        connections[alias].settings_dict["TEST"]["NAME"] = name
    # Serialized would be all rows of a database that was kept.
    made = setup_databases(verbosity=0, interactive=False, keepdb=is_kept, serialized_aliases=())
    try:
        yield
    finally:
        connections["default"].close()
        teardown_databases(made, verbosity=0, keepdb=is_kept)
