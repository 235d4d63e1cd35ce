"""Authorization: the permission and the scopes that a command needs."""

from django.apps import apps

from audit.actors import scopes
from audit.actors.actors import Actor
from audit.bus import handling
from audit.bus.context import Context
from audit.bus.middleware import Next
from audit.messages.classes import Command
from audit.messages.outcomes import Outcome


def authorize(command: Command, context: Context, call_next: Next) -> Outcome:
    """Check that the actor has the permission and a scope for the command.

    :raises Forbidden: if the actor does not.
    """
    check(command, context.actor)
    return call_next(command, context)


def check(command: Command, actor: Actor) -> None:
    """Check that an actor has the permission and a scope for the command.

    :raises Forbidden: if the actor does not.
    """
    if command.required_permission is not None:
        actor.require(command.required_permission)
    actor.require_any_scope(scopes_for(type(command)))


def scopes_for(command_class: type[Command]) -> frozenset[str]:
    """Return the scopes any of which is enough to send a command.

    Sending a command is writing, even if the command requires no permission.
    """
    if command_class.required_permission:
        return scopes.needed_for(command_class.required_permission)
    return scopes.needed_to_write(command_class.message_type.partition(".")[0])


def known_scopes() -> frozenset[str]:
    """Return every scope that a credential can have."""
    labels = {each.message_type.partition(".")[0] for each in handling.command_classes()}
    # Messages on people have no app of their own, and no key sends them.
    labels &= {app.label for app in apps.get_app_configs()}
    return frozenset({scopes.READ, scopes.WRITE}).union(*map(scopes.of_app, labels))
