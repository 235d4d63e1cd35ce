"""The sender of deliveries: a few threads for the requests, and one that reads and records.

A request can take ten seconds, and the threads that wait for a dead endpoint are missing elsewhere.
So an endpoint has at most two requests in flight; and one that accepts nothing has one, in half of
the threads at most.
"""

import http.client
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import structlog
from django.db import connection
from django.utils import timezone

from audit.installation.settings import countersign
from audit.log.cloudevents import CONTENT_TYPE, source
from audit.messages.tracebacks import traceback_of
from audit.webhooks import secrets
from audit.webhooks.destinations import NotPublic, Unresolvable
from audit.webhooks.sending import bodies, client, signatures
from audit.webhooks.sending.connections import Kept
from audit.webhooks.sending.leases import Lease, lease
from audit.webhooks.sending.results import Result, record

THREADS = 16
_THREADS_FOR_FAILING = THREADS // 2
_WAIT_SECONDS, _TOGETHER_SECONDS = 0.1, 0.01
_CLEAN_SECONDS = 60.0
_CLEAN_AT_ONCE = 1_000
_USER_AGENT = "Countersign-Webhooks/1"
_CLEAN = """
    WITH old AS (
        SELECT id FROM audit_webhookdelivery WHERE settled_at < now() - make_interval(secs => %s)
        ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
    ), attempts AS (
        DELETE FROM audit_webhookattempt WHERE delivery_id IN (SELECT id FROM old)
    )
    DELETE FROM audit_webhookdelivery WHERE id IN (SELECT id FROM old)
"""

_logger = structlog.get_logger(__name__)


class Sender:
    """The requests in flight of one process."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None
        self._in_flight: dict[Future[Result], tuple[Lease, bool]] = {}
        self._connections = Kept()
        self._cleaned_at = 0.0

    def turn(self) -> bool:
        """Record what has ended and send what is due; return False if there is neither."""
        recorded = self._record()
        started = sum(self._start(are_failing=each) for each in (False, True))
        if self._in_flight:
            self._wait()
        elif not started:
            self._rest()
        self._clean()
        return bool(self._in_flight or recorded)

    def _record(self) -> int:
        """Record the results of the requests that have ended; return how many."""
        ended = [each for each in self._in_flight if each.done()]
        if ended:
            record([(self._in_flight.pop(each)[0], _result(each)) for each in ended])
        return len(ended)

    def _start(self, *, are_failing: bool) -> int:
        """Lease deliveries for the threads that are free, and send them; return how many."""
        free = THREADS - len(self._in_flight)
        if are_failing:
            failing = sum(is_failing for _, is_failing in self._in_flight.values())
            free = min(free, _THREADS_FOR_FAILING - failing)
        leased = lease(most=free, are_failing=are_failing)
        if leased and self._threads is None:
            # Otherwise each of the threads would read all routes.
            source()
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="webhooks")
        for each in leased:
            assert self._threads  # noqa: S101  # set above
            sent = self._threads.submit(attempt, each, self._connections)
            self._in_flight[sent] = each, are_failing
        return len(leased)

    def _wait(self) -> None:
        """Wait for a request to end, and a little for others, to record them together."""
        wait(self._in_flight, timeout=_WAIT_SECONDS, return_when=FIRST_COMPLETED)
        wait(self._in_flight, timeout=_TOGETHER_SECONDS)

    def _rest(self) -> None:
        """End the threads, and close their connections."""
        if self._threads:
            self._threads.shutdown()
            self._threads = None
            self._connections.close()

    def _clean(self) -> None:
        """Delete old deliveries, some at each turn until there are none; then pause."""
        if time.monotonic() - self._cleaned_at > _CLEAN_SECONDS and not clean():
            self._cleaned_at = time.monotonic()


def attempt(found: Lease, kept: Kept) -> Result:
    """Send a delivery once, in a thread without a connection to the database."""
    at, began = timezone.now(), time.monotonic()

    def result(**values: object) -> Result:
        duration_ms = round((time.monotonic() - began) * 1_000)
        return Result(at=at, duration_ms=duration_ms, **values)  # type: ignore[arg-type]  # its fields

    try:
        signed = _signed(found, at=int(at.timestamp()))
        reply = client.post(found.destination, *signed, kept=kept)
    except (secrets.Undecryptable, NotPublic, Unresolvable) as error:
        return result(error=str(type(error).__doc__))
    except (OSError, http.client.HTTPException) as error:
        return result(error=client.words_of(error))
    return result(status=reply.status, retry_after=reply.retry_after, response=reply.body)


def clean() -> bool:
    """Delete deliveries that were settled longer ago than they are kept, a thousand at most.

    Return True if there may be more.
    """
    with connection.cursor() as cursor:
        cursor.execute(_CLEAN, [countersign().webhook_keep.total_seconds(), _CLEAN_AT_ONCE])
        return bool(cursor.rowcount == _CLEAN_AT_ONCE)


def _result(ended: Future[Result]) -> Result:
    """Return the result of an attempt; one that raised an unexpected error has failed.

    Otherwise the error would come back each minute, and the other results would be lost.
    """
    error = ended.exception()
    if error is None:
        return ended.result()
    _logger.error("webhook_not_attempted", traceback=traceback_of(error))
    failure = "The delivery could not be sent because of an internal error."
    return Result(at=timezone.now(), duration_ms=0, error=failure)


def _signed(found: Lease, *, at: int) -> tuple[bytes, dict[str, str]]:
    body = bodies.body(found.event, payload=found.payload)
    keys = [secrets.decrypt(each, endpoint_id=found.endpoint_id) for each in found.secrets]
    signed = signatures.headers(found.event.id, body, at=at, secrets=keys)
    own = {"Content-Type": CONTENT_TYPE, "User-Agent": _USER_AGENT}
    return body, {**own, **signed}
