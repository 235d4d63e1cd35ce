"""A reader of the event feed, and the commands whose events it reads, on whichever server."""

from itertools import chain
from uuid import uuid4

from apikeys.commands import CreateCustomer
from audit.bus.dispatch import dispatch
from audit.log.feed import Place, Rewound, place_of, read_after
from audit.messages.exceptions import Failed
from audit.messages.outcomes import Completed
from audit.models.records import CommandRecord, EventRecord
from tests.conftest import AS_SYSTEM
from tests.threads import Crowd, until

BEGUN = "audit.begin_epoch"


class Reader:
    """A reader of the event feed, which keeps what it has received in order of delivery."""

    def __init__(self):
        self.place, self.received = Place(), []

    def read(self):
        """Read all that is there; discard and read again what the log takes back."""
        try:
            while records := read_after(EventRecord, self.place, limit=7):
                self.received += [(place_of(each), each.id) for each in records]
                self.place = place_of(records[-1])
        except Rewound as rewound:
            self.place = rewound.place
            self.received = [each for each in self.received if each[0] <= self.place]
            return True
        return False

    def read_to_the_end(self):
        total = EventRecord.objects.count()
        until(lambda: not self.read() and len(self.received) >= total)

    def assert_complete(self):
        ids = [event_id for _, event_id in self.received]
        assert len(ids) == len(set(ids))
        assert set(ids) == set(EventRecord.objects.values_list("id", flat=True))


def write(how_many=10):
    """Send commands from eight threads; return the ids of those that were acknowledged."""
    with Crowd(8) as crowd:
        outcomes = crowd.at_once(*[lambda: [outcome() for _ in range(how_many)]] * 8)
    return {
        each.command_id for each in chain.from_iterable(outcomes) if isinstance(each, Completed)
    }


def outcome():
    """Send a command; return its outcome, or the error if the server did not execute it."""
    try:
        return dispatch(CreateCustomer(name=str(uuid4())), context=AS_SYSTEM)
    except Failed as error:
        return error


def first_command_of(epoch):
    """Return the type of the command that was recorded first in an epoch."""
    return CommandRecord.objects.filter(epoch=epoch).earliest("position").message_type
