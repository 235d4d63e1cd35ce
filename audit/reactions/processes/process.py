"""The base class of processes."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar, TypeAlias

from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.messages.classes import Command
from audit.messages.exceptions import Failed, Refused
from audit.messages.outcomes import Outcome

CHANNEL = "process"
Sent: TypeAlias = Outcome | Refused | Failed


class Process:
    """One instance of a process, while it reacts to an event or takes a step.

    Its annotated fields are its state; each has a default and one of the types of messages' fields.
    If they change, ``schema_version`` goes up, and an upcaster is declared under the process's
    name. ``now`` is the time of the database, at which the transaction began.
    """

    schema_version: ClassVar[int] = 1

    key: str
    now: datetime
    actor: Actor
    is_finished: bool
    #: The steps that were scheduled, each with its time.
    scheduled: dict[str, datetime]

    def __init__(self, *, key: str, now: datetime, actor: Actor) -> None:
        self.key, self.now, self.actor = key, now, actor
        self.is_finished, self.scheduled = False, {}

    def at(self, time: datetime, step: Callable[[], object]) -> None:
        """Take a step, a method of this process, at a time, or at once if that is past.

        It replaces the earlier time of this step. The step is taken once, by any worker.

        :raises ValueError: if the time has no zone, or the step is not a method of this process.
        """
        name = step.__name__
        if getattr(self, name, None) != step or time.tzinfo is None:
            message = f"{name} at {time}: needs a method of the process, and a time with a zone"
            raise ValueError(message)
        self.scheduled[name] = time

    def send(self, command: Command, *, reason: str = "") -> Sent:
        """Send a command, in the transaction of this reaction, and return its outcome.

        A refusal or failure is returned, not raised; it undoes this command only. A held command
        goes on by itself once it is approved: react to its event.
        """
        context = Context(actor=self.actor, channel=CHANNEL, reason=reason)
        try:
            return dispatch(command, context=context)
        except (Refused, Failed) as error:
            return error

    def send_or_retry(self, command: Command, *, reason: str = "") -> Outcome | Refused:
        """Send a command as `send` does; if it fails, undo and retry the whole reaction or step.

        :raises Failed: if the command failed.
        """
        outcome = self.send(command, reason=reason)
        if isinstance(outcome, Failed):
            raise outcome
        return outcome

    def finish(self) -> None:
        """Forget this instance and its timers. The next event of its key begins another one."""
        self.is_finished = True
