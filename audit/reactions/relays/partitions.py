"""The partition of a relay: batches of events, published in their order."""

from contextlib import suppress
from functools import partial
from typing import NamedTuple
from uuid import UUID

from audit.log.feed import Place, place_of
from audit.models.records import EventRecord
from audit.reactions import setbacks
from audit.reactions.checkpoints import Slot
from audit.reactions.deliveries import delivery_of
from audit.reactions.outside import OutsidePartition
from audit.reactions.reading import Unhandled
from audit.reactions.relays import brokers
from audit.reactions.relays.brokers import Broker, BrokerUnavailable, EventRefused, RelayedEvent
from audit.reactions.relays.subscriptions import Relay


class _Ready(NamedTuple):
    """An event that does not have to wait; None is not published."""

    unhandled: Unhandled
    event: RelayedEvent | None


class RelayPartition(OutsidePartition):
    """A partition whose events are published in batches.

    While the broker is unavailable, one event is set aside, and the others wait for it. So the page
    of subscriptions shows it, and all workers share its pauses.
    """

    def __init__(self, relay: Relay, slot: Slot) -> None:
        super().__init__(relay, slot)
        self._relay = relay
        self._broker: Broker | None = None
        self._problem: BrokerUnavailable | None = None
        self._last: UUID | None = None
        # The place of the last event of this relay that is stored.
        self._published_up_to = Place()

    def close(self) -> None:
        """Close the connection to the broker."""
        if self._broker:
            self._broker.close()
        self._broker = None

    def step(self, horizon: Place) -> int:
        """Publish the next events before the horizon, and return how many."""
        return 0 if self._is_held() else super().step(horizon)

    def retry(self) -> int:
        """Attempt what is due among the events that were set aside; return how many succeeded."""
        done = 0
        for subject in setbacks.due_subjects(self.slot):
            done += self._drain(subject)
            if self._problem:
                break
        return done

    def _prepare(self) -> None:
        """Find the end of what is stored, so that a worker that loses its lease cannot publish."""
        self._problem = None
        try:
            last = self._resumed()
        except BrokerUnavailable as error:
            self.close()
            self._problem = error
            return
        if last != self._last:
            # Beside other partitions, the last event says nothing about the events of this one.
            is_alone = self.slot.partitions == 1
            record = EventRecord.objects.filter(id=last).first() if last and is_alone else None
            self._published_up_to = place_of(record) if record else Place()
            self._last = last

    def _is_held(self) -> bool:
        return setbacks.with_error(self.slot, BrokerUnavailable).exists()

    def _handle_leased(self, found: list[Unhandled]) -> int:
        # Before the lease, another worker may have set one aside and moved the checkpoint past it.
        # If others followed it to the broker, it would seem to be stored.
        if self._is_held():
            return 0
        ready: list[_Ready] = []
        error = None
        for each in found:
            if not each.must_wait:
                error = self._error(partial(self._add, ready, each), each.record, attempt=1)
            if each.must_wait or error:
                break
        if ready:
            done = self._publish(ready)
        else:
            self._settle(found[0], error, must_wait=found[0].must_wait)
            done = 1
        self.is_behind = len(found) == self.subscription.batch or done < len(found)
        return done

    def _add(self, ready: list[_Ready], each: Unhandled) -> None:
        is_stored = place_of(each.record) <= self._published_up_to
        delivery = delivery_of(each.record, attempt=1)
        ready.append(_Ready(each, None if is_stored else self._relay.relayed(delivery)))

    def _publish(self, ready: list[_Ready]) -> int:
        """Publish events; return how many are dealt with, up to the first not acknowledged."""
        events = [each.event for each in ready if each.event]
        acknowledged, error = self._acknowledged(events)
        if error and ready[0].event:
            self._log_failure(ready[0].unhandled.record, error, attempt=1)
            self._settle(ready[0].unhandled, error)
            return 1
        remaining = events[acknowledged:]
        done = [each.event for each in ready].index(remaining[0]) if remaining else len(ready)
        last = ready[done - 1]
        if last.event:
            self._note_published(last.unhandled.record)
        self._renew(place_of(last.unhandled.record), handled=done)
        return done

    def _acknowledged(self, events: list[RelayedEvent]) -> tuple[int, Exception | None]:
        """Publish events, and return how many are acknowledged; an error if the first is not."""
        try:
            return (self._connected().publish(events) if events else 0), None
        except (BrokerUnavailable, EventRefused) as error:
            return 0, error

    def _deliver(self, record: EventRecord, *, attempt: int) -> None:
        """Publish an event that was set aside, unless it turns out to be stored."""
        broker = self._connected()
        if self._is_stored(record):
            return
        event = self._relay.relayed(delivery_of(record, attempt=attempt))
        if event:
            broker.publish([event])
            self._note_published(record)

    def _is_stored(self, record: EventRecord) -> bool:
        """Return True if an event without an acknowledgment is stored.

        It is the last one, or a later one is. That came in the same batch: while the checkpoint is
        at this event, no other one has followed. Events that are attempted later are alone.
        """
        if record.id == self._last:
            return True
        is_first_of_batch = place_of(record) == self._stored < self._published_up_to
        is_unknown = setbacks.with_error(self.slot, BrokerUnavailable).filter(event_id=record.id)
        return is_first_of_batch and is_unknown.exists()

    def _note_published(self, record: EventRecord) -> None:
        self._last, self._published_up_to = record.id, place_of(record)

    def _resumed(self) -> UUID | None:
        """Return the last event that is stored, over a new connection if the former one is lost."""
        if self._broker:
            with suppress(BrokerUnavailable):
                return self._broker.resume(self.slot.name)
            self.close()
        self._broker = brokers.connect(self._relay.broker)
        return self._broker.resume(self.slot.name)

    def _connected(self) -> Broker:
        if self._broker is None:
            raise self._problem or BrokerUnavailable("not connected")
        return self._broker
