"""How the server would execute a statement on tables too large to read whole."""

from collections.abc import Sequence
from typing import Any

import psycopg


def plan_of(
    superuser: psycopg.Connection, sql: str, parameters: Sequence[Any], *, without: Sequence[str]
) -> str:
    """Return the plan without some kinds of scans.

    As without statistics: whether the server has just gathered some about the few rows of a test
    is a matter of chance.
    """
    with superuser.transaction(force_rollback=True), psycopg.ClientCursor(superuser) as cursor:
        cursor.execute("DELETE FROM pg_statistic WHERE starelid >= 16384")
        for kind in without:
            cursor.execute(f"SET LOCAL enable_{kind} = off")
        cursor.execute(f"EXPLAIN {sql}", parameters)
        return "\n".join(line for (line,) in cursor.fetchall())
