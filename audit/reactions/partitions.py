"""One partition of a subscription: batches of events, each in one transaction with its effects."""

import time
from functools import partial

import structlog
from django.db import transaction

from audit.bus import failures, store
from audit.bus.dispatch import react
from audit.log.feed import Place, place_of
from audit.messages.classes import Subject
from audit.models.records import EventRecord
from audit.models.subscriptions import Setback
from audit.reactions import checkpoints, reading, setbacks
from audit.reactions.checkpoints import Slot
from audit.reactions.declarations import Subscription
from audit.reactions.deliveries import delivery_of
from audit.wire import pipeline

logger = structlog.get_logger(__name__)

# A transaction with effects holds back all readers of the log.
LONGEST_SECONDS = 0.05
# How long the place behind events of other types is only kept in memory.
_KEEP_SECONDS = 1.0


class HandlerFailed(Exception):
    """The function failed for the event at this place of the batch, which was rolled back."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(f"the event at place {index} of the batch failed")


class Partition:
    """A partition of a subscription, as one worker follows it."""

    def __init__(self, subscription: Subscription, slot: Slot) -> None:
        self.subscription = subscription
        self.slot = slot
        self._stored = self._read_up_to = Place()
        self._stored_at = time.monotonic()

    def step(self, horizon: Place) -> int:
        """Handle the next events before the horizon, and return how many.

        If an event fails, those before it are handled together, and then that one alone, so that
        one failure does not slow down all the others.
        """
        limit = 1 if self.subscription.dispatches else self.subscription.batch
        handled, has_failed = 0, False
        while limit:
            try:
                handled = react(partial(self._batch, horizon, limit=limit))
                break
            except HandlerFailed as failure:
                limit, has_failed = failure.index, True
        return handled + (react(partial(self._alone, horizon)) if has_failed else 0)

    def retry(self) -> int:
        """Attempt what is due among the events that were set aside; return how many succeeded."""
        due = setbacks.due_subjects(self.slot)
        return sum(react(partial(self._drain, subject)) for subject in due)

    def _batch(self, horizon: Place, *, limit: int) -> int:
        place = self._claim()
        if place is None:
            return 0
        found = self._read(horizon, limit=limit)
        end = time.monotonic() + LONGEST_SECONDS
        done = 0
        for record, is_blocked in found:
            if is_blocked:
                setbacks.set_aside(self.slot, record)
            else:
                self._call(record, index=done)
            done += 1
            if time.monotonic() > end:
                break
        self._move(
            place,
            found[:done],
            is_last=len(found) < limit and done == len(found),
            horizon=horizon,
        )
        return done

    def _alone(self, horizon: Place) -> int:
        """Handle the next event, or set it aside if it fails."""
        place = self._claim()
        found = self._read(horizon, limit=1) if place else []
        if place is None or not found:
            return 0
        record, is_blocked = found[0]
        error = None if is_blocked else self._failure(record, attempt=1)
        if is_blocked or error:
            setback = setbacks.set_aside(self.slot, record)
            if error:
                setbacks.note_failure(setback, error, subscription=self.subscription)
        self._moved(place, place_of(record), handled=1, failed=int(bool(error)))
        return 1

    def _drain(self, subject: Subject) -> int:
        """Attempt the events of a subject that were set aside, in order, up to the next failure."""
        name = self.subscription.name
        place = self._claim()
        if place is None:
            return 0
        end = time.monotonic() + LONGEST_SECONDS
        done, error = 0, None
        for setback, is_due in setbacks.of_subject(name, subject):
            is_ready = is_due if done == 0 else setback.state != Setback.State.PARKED
            if not is_ready or time.monotonic() > end:
                break
            record = EventRecord.objects.get(id=setback.event_id)
            error = self._failure(record, attempt=setback.attempts + 1)
            if error:
                setbacks.note_failure(setback, error, subscription=self.subscription)
                break
            setback.delete()
            done += 1
        if done and not error:
            setbacks.promote(name, subject)
        self._moved(place, place, handled=0, failed=int(bool(error)))
        return done

    def _claim(self) -> Place | None:
        place = checkpoints.claim(self.slot)
        if place is not None and place != self._stored:
            self._stored = self._read_up_to = place
        return place

    def _read(self, horizon: Place, *, limit: int) -> list[reading.Unhandled]:
        return reading.read(
            self.slot,
            self.subscription.message_types,
            after=self._read_up_to,
            before=horizon,
            limit=limit,
        )

    def _call(self, record: EventRecord, *, index: int) -> None:
        try:
            self.subscription.call(delivery_of(record, attempt=1))
        except Exception as error:
            if failures.is_connection_lost(error) or failures.is_collision(error):
                raise
            raise HandlerFailed(index) from error

    def _failure(self, record: EventRecord, *, attempt: int) -> Exception | None:
        """Handle an event in a savepoint, and return the error if it fails."""
        try:
            with transaction.atomic():
                self.subscription.call(delivery_of(record, attempt=attempt))
                # Otherwise deferred constraints would fail at COMMIT, with the checkpoint.
                pipeline.send(store.CHECK_CONSTRAINTS)
        except Exception as error:
            if failures.is_connection_lost(error) or failures.is_collision(error):
                raise
            logger.warning(
                "reaction_failed",
                subscription=self.subscription.name,
                event_id=str(record.id),
                attempt=attempt,
                error=type(error).__name__,
            )
            return error
        return None

    def _move(
        self, place: Place, found: list[reading.Unhandled], *, is_last: bool, horizon: Place
    ) -> None:
        """Move the checkpoint behind what was handled; seldom, if only other events were read."""
        new = horizon if is_last else place_of(found[-1].record)
        is_kept = time.monotonic() < self._stored_at + _KEEP_SECONDS
        if found or (new > place and not is_kept):
            self._moved(place, new, handled=len(found))
        else:
            self._read_up_to = max(new, self._read_up_to)

    def _moved(self, old: Place, new: Place, *, handled: int, failed: int = 0) -> None:
        checkpoints.move(self.slot, old=old, new=new, handled=handled, failed=failed)
        self._stored = self._read_up_to = new
        self._stored_at = time.monotonic()
