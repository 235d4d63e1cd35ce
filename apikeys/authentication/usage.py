"""Last use of keys: noted in memory, written to the database in batches.

This is the only data that outlives a request, on purpose: a request must neither wait for this
write nor fail with it, and a busy key would cause hundreds of writes a second. Each process keeps
one notebook, in which authentication overwrites a key's last use. A thread writes the notes every
USAGE_FLUSH_SECONDS, in one statement; notes that cannot be written stay. The process writes once
more as it exits. This is not a command and has no history, because it affects no right of a key.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime
from multiprocessing.util import Finalize
from threading import Lock, Thread
from typing import NamedTuple
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error, connection

from audit.domain import rate_limits

logger = structlog.get_logger(__name__)

#: The maximum number of keys noted between two writes.
MOST_NOTES = 10_000
_SECONDS_BETWEEN_SWEEPS = 600
# Earlier than the logging module's exit handler, whose priority is lower.
_EXIT_PRIORITY = 100

# A use is written if the last one is at least a minute old. This is checked twice: against the rows
# at the start, because ON CONFLICT locks, so writes, even a row that it then leaves unchanged; and
# against what another process has just written. All processes write in id order, so they cannot
# deadlock.
_WRITE = """
    WITH noted AS (
        SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[]::inet[])
            AS noted (api_key_id, used_at, used_from)
    ), due AS (
        SELECT noted.*, before.last_used_from AS used_before_from, before.api_key_id AS known
        FROM noted
        JOIN apikeys_apikey AS api_key ON api_key.id = noted.api_key_id
        LEFT JOIN apikeys_apikeyusage AS before ON before.api_key_id = noted.api_key_id
        WHERE before.last_used_at IS NULL
            OR before.last_used_at <= noted.used_at - interval '1 minute'
    ), written AS (
        INSERT INTO apikeys_apikeyusage AS present (api_key_id, last_used_at, last_used_from)
        SELECT api_key_id, used_at, used_from FROM due ORDER BY api_key_id
        ON CONFLICT (api_key_id) DO UPDATE
            SET last_used_at = excluded.last_used_at, last_used_from = excluded.last_used_from
            WHERE present.last_used_at <= excluded.last_used_at - interval '1 minute'
        RETURNING api_key_id
    )
    SELECT due.api_key_id, host(due.used_before_from), host(due.used_from)
    FROM due JOIN written USING (api_key_id)
    WHERE due.known IS NOT NULL AND due.used_before_from IS DISTINCT FROM due.used_from
"""


class Use(NamedTuple):
    """One use of a key, at a Unix time."""

    at: float
    address: str | None


class Notebook:
    """The uses of keys that this process has not written yet, by the key's id as a number.

    Noting takes no lock, because every request does it: with a lock, eight threads on one key lost
    four percent of their throughput. Operations on a dict with integer keys are atomic in Python.
    """

    def __init__(self) -> None:
        self._uses: dict[int, Use] = {}
        self._has_dropped = False
        self._beginning, self._writing = Lock(), Lock()
        self._writer: Thread | None = None

    def note(self, api_key_id: UUID, address: str | None) -> None:
        if len(self._uses) < MOST_NOTES or api_key_id.int in self._uses:
            self._uses[api_key_id.int] = Use(time.time(), address)
        elif not self._has_dropped:
            self._has_dropped = True
            logger.warning("too many keys in use to note the last use of each", most=MOST_NOTES)
        if self._writer is None:
            self._begin()

    def flush(self) -> None:
        """Write the notes; if that fails, they stay."""
        # The second flush, at process exit, must wait for the first one to finish.
        with self._writing:
            uses = self._uses.copy()
            if not uses:
                return
            try:
                moved = _write(uses)
            except Error as error:
                logger.warning("last uses could not be written yet", why=type(error).__name__)
                return
            self._forget(uses)
        for api_key_id, before, now in moved:
            logger.info(
                "key used from another address",
                api_key_id=str(api_key_id),
                client_address=now,
                last_address=before,
            )

    def _forget(self, written: dict[int, Use]) -> None:
        """Remove the notes that were written, except those replaced in the meantime."""
        for number, use in written.items():
            present = self._uses.pop(number)
            if present is not use:
                self._uses.setdefault(number, present)
        self._has_dropped = False

    def _begin(self) -> None:
        """Start the writer at the first use: a thread would not survive the server's fork."""
        with self._beginning:
            if self._writer is not None:
                return
            self._writer = Thread(target=self._write_regularly, name="last-used", daemon=True)
        # An exiting process cannot start a thread; it still writes, below.
        with suppress(RuntimeError):
            self._writer.start()
        # Not atexit: the workers of granian are forked by multiprocessing, which skips it.
        Finalize(None, self.flush, exitpriority=_EXIT_PRIORITY)

    def _write_regularly(self) -> None:
        swept_at = time.monotonic()
        while True:
            time.sleep(settings.USAGE_FLUSH_SECONDS)
            self.flush()
            if time.monotonic() - swept_at > _SECONDS_BETWEEN_SWEEPS:
                rate_limits.sweep()
                swept_at = time.monotonic()
            # So that the thread holds no idle connection between two writes.
            connection.close()


def _write(uses: dict[int, Use]) -> list[tuple[UUID, str | None, str | None]]:
    """Write the uses; return the keys whose IP address has changed, with the old and new one."""
    ids = [UUID(int=number) for number in uses]
    times = [datetime.fromtimestamp(use.at, tz=UTC) for use in uses.values()]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [ids, times, [use.address for use in uses.values()]])
        return list(cursor.fetchall())


_notebook = Notebook()
note, flush = _notebook.note, _notebook.flush
