"""Visibility of commands and events to callers of the API."""

from django.db.models import Q

from audit.actors import scopes
from audit.actors.actors import Actor
from audit.models.records import CommandRecord

#: The permission to read the log of others.
VIEW_LOG = "audit.view_commandrecord"
# With more tenants, one query for all is faster than one query for each.
_MOST_LOOKS = 10


def may_read(who: Actor, record: CommandRecord) -> bool:
    """Return True if a command is the actor's own, or of a tenant whose log it may read."""
    is_own = (record.actor_kind, record.actor_id) == (who.kind, who.id)
    return is_own or (_reads_of_others(who) and who.may_see(record.tenant))


def commands_of(who: Actor) -> list[Q]:
    """Return conditions to OR, for the commands that the actor may see; empty if it sees all."""
    return _alternatives(who, own=Q(actor_kind=who.kind, actor_id=who.id))


def events_of(who: Actor) -> list[Q]:
    """Return conditions to OR, for the events that the actor may see; empty if it sees all."""
    own = CommandRecord.objects.filter(actor_kind=who.kind, actor_id=who.id)
    return _alternatives(who, own=Q(command_id__in=own.values("command_id")))


def _reads_of_others(who: Actor) -> bool:
    """Return True if the actor may read commands of others: users do, keys need the scope."""
    return who.has_any_scope(scopes.needed_for(VIEW_LOG))


def _alternatives(who: Actor, *, own: Q) -> list[Q]:
    if not _reads_of_others(who):
        return [own]
    if who.tenants is None:
        return []
    if len(who.tenants) > _MOST_LOOKS:
        return [own, Q(tenant__in=who.tenants)]
    return [own, *(Q(tenant=tenant) for tenant in sorted(who.tenants))]
