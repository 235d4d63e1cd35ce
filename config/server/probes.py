"""Probes of load balancers and orchestrators: `/livez` and `/readyz`, for any host name."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from django.db import close_old_connections, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from audit.rest.problems import NotReady
from config.server.answers import Answer, Message, refusal, success

_LIVE, _READY = "/livez", "/readyz"
_SECONDS = 3
_IS_READ_ONLY = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"


def is_probe(scope: Message) -> bool:
    return scope["path"] in (_LIVE, _READY) and scope["method"] in ("GET", "HEAD")


class Readiness:
    """The readiness of a process, checked in a thread that handles no other requests."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._check: asyncio.Future[None] | None = None

    async def answer(self, scope: Message) -> Answer:
        """Return the response to a probe; that of `/livez` needs no database and no thread."""
        if scope["path"] == _LIVE:
            return success(scope)
        # Probes at the same time share one check, so that their number does not matter. Another
        # probe may replace it before this one resumes.
        check = self._check
        if not check or check.done():
            check = asyncio.get_running_loop().run_in_executor(self._thread, _check)
            self._check = check
        done, _ = await asyncio.wait([check], timeout=_SECONDS)
        error = check.exception() if done else NotReady("The database does not respond.")
        return refusal(scope, error) if error else success(scope)


def _check() -> None:
    """Check that commands can be recorded.

    :raises NotReady: if the database is read-only, or lacks a migration.
    :raises DatabaseError: if it cannot be asked.
    """
    close_old_connections()
    with connection.cursor() as cursor:
        cursor.execute(_IS_READ_ONLY)
        if cursor.fetchone() != (False,):
            raise NotReady("The database is read-only.")
    if not _latest_migrations() <= MigrationRecorder(connection).applied_migrations().keys():
        raise NotReady("The database lacks migrations: run manage.py migrate.")


@cache
def _latest_migrations() -> frozenset[tuple[str, str]]:
    """Return the last migration of each app in this code; each implies those before it."""
    return frozenset(MigrationLoader(None, ignore_no_migrations=True).graph.leaf_nodes())
