"""A broker in memory, as an adapter, with what can go wrong with one."""

from uuid import UUID

from audit.domain import BrokerUnavailable, EventRefused

LARGEST = 1_000_000


class Stream:
    """What is stored. ``accepts`` is the number of events that are still accepted.

    With ``loses_acknowledgments``, events are stored, and the connection breaks before the reply.
    ``recognized`` are the ids that would not be stored again.
    """

    def __init__(self):
        self.events, self.recognized = [], set()
        self.is_down, self.accepts, self.loses_acknowledgments = False, 10**9, False
        self.too_large: set[UUID] = set()
        self.calls = 0

    def ids(self):
        return [each.id for each in self.events]

    def numbers(self):
        """Return the subjects of the events, with their bodies' numbers."""
        return [each.key for each in self.events]


class MemoryBroker:
    def __init__(self, stream):
        self._stream, self._end = stream, 0

    def resume(self, relay):
        self._check_reachable()
        self._end = len(self._stream.events)
        last = self._stream.events[-1] if self._stream.events else None
        return last.id if last and last.relay == relay else None

    def publish(self, events):
        stream = self._stream
        self._check_reachable()
        acknowledged = 0
        for event in events:
            if event.id in stream.too_large or len(event.body) > LARGEST:
                if not acknowledged:
                    raise EventRefused("too large")
                break
            if event.id not in stream.recognized:
                if self._end != len(stream.events):
                    if not acknowledged:
                        raise BrokerUnavailable("another publisher was faster")
                    break
                if not stream.accepts:
                    break
                stream.accepts -= 1
                stream.events.append(event)
                stream.recognized.add(event.id)
                self._end += 1
            acknowledged += 1
        if stream.loses_acknowledgments or not acknowledged:
            stream.is_down = stream.loses_acknowledgments
            raise BrokerUnavailable("connection lost")
        return acknowledged

    def close(self):
        pass

    def _check_reachable(self):
        self._stream.calls += 1
        if self._stream.is_down:
            raise BrokerUnavailable("unreachable")
