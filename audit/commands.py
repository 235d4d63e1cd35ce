"""What can be asked of the log itself."""

from dataclasses import dataclass

from audit.messages import Command, Event, SubjectOf


@dataclass(frozen=True, kw_only=True)
class BeginEpoch(Command):
    """Begin a new epoch of the log, after the database was restored from a dump."""

    message_type = "audit.begin_epoch"
    required_permission = "audit.begin_epoch"


@dataclass(frozen=True, kw_only=True)
class EpochBegun(Event):
    """Transactions are numbered anew from here on."""

    message_type = "audit.epoch_begun"
    subject = SubjectOf("epoch", "number")

    number: int
