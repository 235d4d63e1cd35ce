"""Subscriptions with effects outside the database: at least once, and outside any transaction."""

import time
from uuid import uuid4

from django.db import transaction

from audit.log.feed import Place, place_of
from audit.messages.classes import Subject
from audit.models.queries import PreparedQuery
from audit.models.records import EventRecord
from audit.models.subscriptions import Setback
from audit.reactions import setbacks
from audit.reactions.checkpoints import RATE, Slot
from audit.reactions.declarations import Subscription
from audit.reactions.deliveries import delivery_of
from audit.reactions.partitions import Partition
from audit.reactions.reading import Unhandled

# After this time a worker looks whether it is to stop.
_LONGEST_SECONDS = 1.0

_READ = PreparedQuery("""
    SELECT epoch, xid::text::bigint, position FROM audit_checkpoint
    WHERE name = %(name)s AND partition = %(partition)s::int AND state = 'running'
        AND partitions = %(partitions)s::int
""")
_LEASE = PreparedQuery("""
    UPDATE audit_checkpoint SET lease = %(lease)s::uuid,
        leased_until = clock_timestamp() + make_interval(secs => %(seconds)s::float8)
    WHERE name = %(name)s AND partition = %(partition)s::int AND state = 'running'
        AND partitions = %(partitions)s::int
        AND (lease IS NULL OR lease = %(lease)s::uuid OR leased_until < clock_timestamp())
    RETURNING epoch, xid::text::bigint, position
""")
_MOVE = PreparedQuery(f"""
    UPDATE audit_checkpoint SET epoch = %(epoch)s::int, xid = %(xid)s::text::xid8,
        position = %(position)s::bigint, handled = handled + %(handled)s::int,
        failed = failed + %(failed)s::int, moved_at = clock_timestamp(), rate = {RATE},
        leased_until = clock_timestamp() + make_interval(secs => %(seconds)s::float8)
    WHERE name = %(name)s AND partition = %(partition)s::int AND lease = %(lease)s::uuid
    RETURNING state
""")  # noqa: S608  # a constant
_RELEASE = PreparedQuery("""
    UPDATE audit_checkpoint SET lease = NULL, leased_until = NULL
    WHERE name = %(name)s AND partition = %(partition)s::int AND lease = %(lease)s::uuid
    RETURNING 1
""")


class LeaseLost(Exception):
    """Another worker has taken the partition: a function took too long, or the worker was away."""


class OutsidePartition(Partition):
    """A partition that is leased, and not locked, while its function is called."""

    def __init__(self, subscription: Subscription, slot: Slot) -> None:
        super().__init__(subscription, slot)
        self._lease = {
            **slot._asdict(),
            "lease": uuid4(),
            "seconds": subscription.lease_seconds,
        }

    def step(self, horizon: Place) -> int:
        """Handle the next events before the horizon, each on its own, and return how many."""
        if not self._notice_place(_READ.first(self.slot._asdict())):
            return 0
        found = self._read(horizon, limit=self.subscription.batch)
        if not found:
            self._read_up_to = max(horizon, self._read_up_to)
            self.is_behind = self._is_overdue() and self._store(horizon)
            return 0
        stored = self._stored
        self._prepare()
        if not self._notice_place(_LEASE.first(self._lease)):
            return 0
        # Otherwise another worker has handled some of them meanwhile.
        done = self._handle_leased(found) if self._stored == stored else 0
        _RELEASE.first(self._lease)
        return done

    def _prepare(self) -> None:
        """Do what has to come before the lease. It may be another worker's."""

    def _handle_leased(self, found: list[Unhandled]) -> int:
        end = time.monotonic() + _LONGEST_SECONDS
        is_running, done = True, 0
        blocked: set[Subject] = set()
        while is_running and done < len(found) and time.monotonic() < end:
            is_running = self._handle_one(found[done], blocked)
            done += 1
        self.is_behind = len(found) == self.subscription.batch or done < len(found)
        return done

    def _handle_one(self, each: Unhandled, blocked: set[Subject]) -> bool:
        """Handle an event or set it aside; return False if the subscription is paused now."""
        must_wait = each.must_wait or each.subject in blocked
        error = None if must_wait else self._failure(each.record, attempt=1)
        if must_wait or error:
            blocked.add(each.subject)
        return self._settle(each, error, must_wait=must_wait)

    def _settle(self, each: Unhandled, error: Exception | None, *, must_wait: bool = False) -> bool:
        with transaction.atomic():
            if must_wait:
                self._set_aside(each)
            if error:
                self._note_first_failure(each.record, error)
            return self._renew(place_of(each.record), handled=1, failed=int(bool(error)))

    def _drain(self, subject: Subject) -> int:
        self._prepare()
        if not self._notice_place(_LEASE.first(self._lease)):
            return 0
        done, _ = self._attempt_in_order(subject)
        _RELEASE.first(self._lease)
        return done

    def _succeeded(self, setback: Setback) -> None:
        subject = Subject(setback.subject_type, setback.subject_id)
        with transaction.atomic():
            super()._succeeded(setback)
            # A worker that is killed must not leave the next one waiting for nothing.
            setbacks.promote(self.slot.name, subject)
            self._renew(self._stored, handled=0)

    def _failed(self, setback: Setback, error: Exception) -> None:
        with transaction.atomic():
            super()._failed(setback, error)
            self._renew(self._stored, handled=0, failed=1)

    def _deliver(self, record: EventRecord, *, attempt: int) -> None:
        """Call the function outside of any transaction."""
        self.subscription.call(delivery_of(record, attempt=attempt))

    def _notice_place(self, row: tuple[int, ...] | None) -> bool:
        if row is None:
            return False
        self._notice_stored(Place(*row))
        return True

    def _store(self, horizon: Place) -> bool:
        """Store that there was nothing to do; return True if that has to be repeated later."""
        if not self._notice_place(_LEASE.first(self._lease)):
            return True
        self._renew(max(horizon, self._stored), handled=0)
        _RELEASE.first(self._lease)
        return False

    def _renew(self, new: Place, *, handled: int, failed: int = 0) -> bool:
        """Move the checkpoint and renew the lease; return False if the subscription is paused.

        :raises LeaseLost: if another worker has the lease.
        """
        numbers = {**new._asdict(), "handled": handled, "failed": failed}
        row = _MOVE.first({**self._lease, **numbers})
        if row is None:
            raise LeaseLost
        self._moved_to(new)
        return bool(row[0] == "running")
