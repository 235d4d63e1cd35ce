"""Changes of people and groups, from the events of a command: their tables have no history."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.contrib.auth.models import Group

from approvals.people import events
from audit.messages.classes import Event

_NOTHING = "—"


class Change(NamedTuple):
    """A value before and after, as text; ``before`` is empty if the events do not have it."""

    name: str
    before: str
    after: str


def changes_of(emitted: Iterable[Event], *, is_done: bool) -> list[Change]:
    """Return the changes that the events report.

    If the change ``is_done``, the other groups that the person was in are unknown and left out.
    """
    found = list(emitted)
    return [*filter(None, map(_change, found)), *_memberships(found, is_done=is_done)]


def _change(event: Event) -> Change | None:
    match event:
        case events.UserCreated(username=name) | events.GroupCreated(group_name=name):
            column = "username" if isinstance(event, events.UserCreated) else "name"
            change = Change(column, _NOTHING, name)
        case events.GroupRenamed(group_name=name):
            change = Change("name", "", name)
        case events.UserDeleted(username=name) | events.GroupDeleted(group_name=name):
            column = "username" if isinstance(event, events.UserDeleted) else "name"
            change = Change(column, name, _NOTHING)
        case events.UserActivated() | events.UserDeactivated():
            change = _flag("is active", isinstance(event, events.UserActivated))
        case events.AdminAccessSet(is_staff=value):
            change = _flag("is staff", value)
        case events.SuperuserStatusSet(is_superuser=value):
            change = _flag("is superuser", value)
        case events.PermissionGranted() | events.GroupPermissionGranted():
            change = _flag(f"permission {event.permission}", True)
        case events.PermissionRevoked() | events.GroupPermissionRevoked():
            change = _flag(f"permission {event.permission}", False)
        case _:
            return None
    return change


def _flag(name: str, value: bool) -> Change:  # noqa: FBT001  # the value of the flag
    before, after = ("no", "yes") if value else ("yes", "no")
    return Change(name, before, after)


def _memberships(emitted: Iterable[Event], *, is_done: bool) -> Iterator[Change]:
    moves = [each for each in emitted if isinstance(each, events.MemberJoined | events.MemberLeft)]
    if not moves:
        return
    names = dict(
        Group.objects.filter(pk__in=[each.group_id for each in moves]).values_list("pk", "name")
    )
    joined: set[str] = set()
    left: set[str] = set()
    for move in moves:
        kind = joined if isinstance(move, events.MemberJoined) else left
        kind.add(names.get(move.group_id, f"group {move.group_id}"))
    present = Group.objects.filter(user=moves[0].user_id).values_list("name", flat=True)
    before = left if is_done else set(present)
    yield Change("groups", _listed(before), _listed((before - left) | joined))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or _NOTHING
