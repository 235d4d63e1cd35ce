"""One partition of a subscription: batches of events, each in one transaction with its effects."""

import time
from collections.abc import Callable
from functools import partial

import structlog
from django.db import IntegrityError

from audit.bus import failures, store
from audit.bus.dispatch import attempting, react
from audit.log.feed import Place, place_of
from audit.messages.classes import Subject
from audit.models.records import EventRecord
from audit.models.subscriptions import Setback
from audit.reactions import checkpoints, reading, setbacks
from audit.reactions.checkpoints import Slot
from audit.reactions.declarations import Subscription
from audit.reactions.deliveries import delivery_of
from audit.reactions.reading import News, Unhandled
from audit.wire import pipeline

logger = structlog.get_logger(__name__)

# A transaction with effects holds back all readers of the log.
LONGEST_SECONDS = 0.05
# How long the place behind events of other types is only kept in memory.
_KEEP_SECONDS = 30.0
_EARLY_SECONDS = 0.05


class HandlerFailed(Exception):
    """The function failed for the event at this place of the batch, which was rolled back."""

    def __init__(self, index: int) -> None:
        self.index = index
        super().__init__(f"the event at place {index} of the batch failed")


class Partition:
    """A partition of a subscription, as one worker follows it.

    ``is_behind`` is True unless it has read everything before the horizon.
    """

    def __init__(self, subscription: Subscription, slot: Slot) -> None:
        self.subscription = subscription
        self.slot = slot
        self.is_behind = True
        self._types = reading.matcher(subscription.message_types)
        self._stored = self._read_up_to = Place()
        self._stored_at = time.monotonic()

    def close(self) -> None:
        """Close what it has opened."""

    def notice(self, news: list[News] | None, *, horizon: Place) -> None:
        """Take note of new events: of none before the horizon if the list is empty."""
        if self.is_behind or news is None or any(map(self._is_own, news)):
            self.is_behind = True
            return
        self._read_up_to = max(horizon, self._read_up_to)
        self.is_behind = self._is_overdue()

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
        return sum(map(self._drain, setbacks.due_subjects(self.slot)))

    def _batch(self, horizon: Place, *, limit: int) -> int:
        place = self._claim()
        if place is None:
            return 0
        found = self._read(horizon, limit=limit)
        done = self._handle(found)
        if found:
            self._commit(place, place_of(found[done - 1].record), handled=done)
        elif horizon > place and self._is_overdue():
            self._move(place, horizon, handled=0)
        self.is_behind = len(found) == limit or done < len(found)
        if not self.is_behind:
            self._read_up_to = max(horizon, self._read_up_to)
        return done

    def _commit(self, place: Place, new: Place, *, handled: int) -> None:
        try:
            self._move(place, new, handled=handled)
        except IntegrityError as error:
            # A deferred constraint, of an event that COMMIT does not name: half as many are next.
            raise HandlerFailed(handled // 2) from error

    def _handle(self, found: list[Unhandled]) -> int:
        """Handle events for as long as a transaction may take, and return how many."""
        end = time.monotonic() + LONGEST_SECONDS
        blocked: set[Subject] = set()
        for done, each in enumerate(found):
            if done and time.monotonic() > end:
                return done
            if each.must_wait or each.subject in blocked:
                self._set_aside(each)
                blocked.add(each.subject)
            else:
                self._call(each.record, index=done)
        return len(found)

    def _alone(self, horizon: Place) -> int:
        """Handle the next event, or set it aside if it fails."""
        place = self._claim()
        found = self._read(horizon, limit=1) if place else []
        if place is None or not found:
            return 0
        (each,) = found
        error = None
        if each.must_wait:
            self._set_aside(each)
        elif error := self._failure(each.record, attempt=1):
            self._note_first_failure(each.record, error)
        self._move(place, place_of(each.record), handled=1, failed=int(bool(error)))
        return 1

    def _drain(self, subject: Subject) -> int:
        """Attempt the events of a subject that were set aside, in order, up to the next failure."""
        return react(partial(self._drain_at_once, subject))

    def _drain_at_once(self, subject: Subject) -> int:
        place = self._claim()
        if place is None:
            return 0
        done, has_failed = self._attempt_in_order(subject)
        self._move(place, place, handled=0, failed=int(has_failed))
        return done

    def _attempt_in_order(self, subject: Subject) -> tuple[int, bool]:
        """Return how many events succeeded, and whether the one after them failed."""
        end = time.monotonic() + LONGEST_SECONDS
        waiting = setbacks.of_subject(self.slot.name, subject)
        if not waiting:
            return 0, False
        last = waiting[-1][0].number
        unread = reading.first_unread(subject, after=self._read_up_to, up_to=last + 1)
        done = 0
        for setback, is_due in waiting:
            if not _is_next(setback, is_due=is_due, is_first=not done):
                return done, False
            if setback.number > unread:
                # The earlier event is not settled yet.
                setbacks.schedule(setback, seconds=_EARLY_SECONDS)
                return done, False
            if done and time.monotonic() > end:
                break
            record = EventRecord.objects.get(id=setback.event_id)
            if error := self._failure(record, attempt=setback.attempts + 1):
                self._failed(setback, error)
                return done, True
            self._succeeded(setback)
            done += 1
        setbacks.promote(self.slot.name, subject)
        return done, False

    def _succeeded(self, setback: Setback) -> None:
        setback.delete()

    def _failed(self, setback: Setback, error: Exception) -> None:
        setbacks.note_failure(setback, error, subscription=self.subscription)

    def _set_aside(self, unhandled: Unhandled) -> None:
        setback = setbacks.set_aside(self.slot, unhandled.record)
        if setbacks.is_first(setback):
            setbacks.schedule(setback)
            setbacks.hold_back_later(setback)

    def _note_first_failure(self, record: EventRecord, error: Exception) -> None:
        setback = setbacks.set_aside(self.slot, record)
        setbacks.note_failure(setback, error, subscription=self.subscription)

    def _claim(self) -> Place | None:
        place = checkpoints.claim(self.slot)
        if place is not None:
            self._notice_stored(place)
        return place

    def _notice_stored(self, place: Place) -> None:
        """Continue from the stored place if another worker has moved it."""
        if place != self._stored:
            self._stored = self._read_up_to = place
            self._stored_at = time.monotonic()

    def _read(self, horizon: Place, *, limit: int) -> list[Unhandled]:
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
        """Handle an event, and return the error if it fails."""
        deliver = partial(self._deliver, record, attempt=attempt)
        return self._error(deliver, record, attempt=attempt)

    def _error(
        self, call: Callable[[], None], record: EventRecord, *, attempt: int
    ) -> Exception | None:
        """Call a function for an event, and return the error if it fails."""
        try:
            call()
        except Exception as error:
            if failures.is_connection_lost(error) or failures.is_collision(error):
                raise
            self._log_failure(record, error, attempt=attempt)
            return error
        return None

    def _deliver(self, record: EventRecord, *, attempt: int) -> None:
        """Call the function in a savepoint."""
        with attempting():
            self.subscription.call(delivery_of(record, attempt=attempt))
            # Otherwise deferred constraints would fail at COMMIT, with the checkpoint.
            pipeline.send(store.CHECK_CONSTRAINTS)

    def _log_failure(self, record: EventRecord, error: Exception, *, attempt: int) -> None:
        logger.warning(
            "reaction_failed",
            subscription=self.subscription.name,
            event_id=str(record.id),
            attempt=attempt,
            error=type(error).__name__,
        )

    def _move(self, old: Place, new: Place, *, handled: int, failed: int = 0) -> None:
        checkpoints.move(self.slot, old=old, new=new, handled=handled, failed=failed)
        self._moved_to(new)

    def _moved_to(self, new: Place) -> None:
        self._stored, self._read_up_to = new, max(new, self._read_up_to)
        self._stored_at = time.monotonic()

    def _is_overdue(self) -> bool:
        """Return True if the stored place is old; the next worker would read on from there."""
        return time.monotonic() > self._stored_at + _KEEP_SECONDS

    def _is_own(self, news: News) -> bool:
        return news.concerns(self.slot) and bool(self._types.fullmatch(news.message_type))


def _is_next(setback: Setback, *, is_due: bool, is_first: bool) -> bool:
    """Return True if an event may be attempted, given that all those before it succeeded."""
    if setback.state == Setback.State.RETRYING:
        return is_due or not is_first
    return setback.state == Setback.State.WAITING
