"""Process managers: the subscription of each process to its events."""

from collections.abc import Callable, Collection
from functools import partial
from typing import TypeVar

from audit.bus.cases import Cause, reacting
from audit.messages.classes import Event
from audit.reactions.declarations import Start, Subscription, subscribe
from audit.reactions.deliveries import Delivery
from audit.reactions.processes import instances
from audit.reactions.processes.declarations import Declared, declare_process
from audit.reactions.processes.process import Process

_Class = TypeVar("_Class", bound=type[Process])


def process(
    name: str, *, key: str = "", permissions: Collection[str] = (), starts: Start = "now"
) -> Callable[[_Class], _Class]:
    """Declare a process. Its name is stored, so it never changes.

    Events with the same value of their field ``key`` belong to the same instance; without a key
    there is one instance. It sends commands as the actor ``process:<name>``, which acts for every
    tenant and has these permissions only.

    :raises ImproperlyConfigured: if the class, or one of its events, does not fit.
    """

    def register(process_class: _Class) -> _Class:
        declared = declare_process(
            name, key=key, process_class=process_class, permissions=permissions
        )
        if declared.reactions:
            subscribe(
                Subscription(
                    name=name,
                    message_types=tuple(declared.reactions),
                    function=partial(_react, declared),
                    starts=starts,
                    dispatches=True,
                )
            )
        return process_class

    return register


def _react(declared: Declared, event: Event, delivery: Delivery) -> None:
    """Call the method for an event, in the transaction that moves the checkpoint."""
    key = declared.key_of(event)
    if key is None:
        return
    stored = instances.lock(declared, key)
    instance = instances.loaded(declared, key, stored)
    cause = Cause(command_id=delivery.command_id, event_id=delivery.id)
    with reacting(cause, declared.actor):
        getattr(instance, declared.reactions[delivery.record.message_type])(event)
    instances.save(declared, instance, stored, command_id=delivery.command_id)
