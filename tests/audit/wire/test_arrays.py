from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from audit.wire.arrays import array

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (
            "text",
            ["plain", 'with "quotes"', "back\\slash", "a,b", "{}", " ", "", "NULL", "%s", "é"],
        ),
        ("text", []),
        ("bigint", [0, -1, 2**63 - 1]),
        ("timestamptz", [datetime(1, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, 2, 3, 4, 5, UTC)]),
    ],
)
def test_postgresql_parses_the_array_literal(kind: str, values: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM unnest(%s::{kind}[])", [array(values)])

        assert [value for (value,) in cursor.fetchall()] == values
