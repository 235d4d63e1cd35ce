"""Transactions of others, beside the log."""

import psycopg
import pytest
from django.conf import settings


@pytest.fixture
def owner_transaction(owner):
    """A transaction in this database that is not over."""
    with psycopg.connect(**parameters(owner.info.dbname)) as other:
        yield other
        other.rollback()


@pytest.fixture
def neighbour(owner):
    """A transaction in another database of the same cluster."""
    with psycopg.connect(**parameters(f"{owner.info.dbname}_neighbour")) as other:
        yield other
        other.rollback()


def parameters(name):
    database = settings.DATABASES["owner"]
    return {
        "dbname": name,
        "user": database["USER"],
        "password": database["PASSWORD"],
        "host": database["HOST"],
        "port": database["PORT"],
    }
