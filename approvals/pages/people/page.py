"""The pages of one person and of one group."""

from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Exists, OuterRef, Q, QuerySet

from approvals.models import Policy
from approvals.pages.people import permissions
from approvals.pages.people.readiness import standings
from approvals.people.roles import VIEW_REQUESTS
from approvals.policies import power
from approvals.requests import listing
from approvals.requests.presentation import Presented, present
from audit.actors.actors import Actor
from audit.installation import users
from audit.models.records import CommandRecord

_MOST_WAITING = 20
_MOST_MEMBERS = 200


def of_user(user: User, *, actor: Actor) -> dict[str, Any]:
    """Return the context of the page of a person."""
    groups = list(user.groups.order_by("name", "pk"))
    own = permissions.of(user.user_permissions.all())
    return {
        "standings": standings([user], groups),
        "own": permissions.grouped(own),
        "of_groups": permissions.grouped(permissions.of(_through_groups(user))),
        "grantable": permissions.grantable(own),
        "role": permissions.of_the_role(),
        "groups": groups,
        "revocable": _revocable(groups, own),
        "other_groups": Group.objects.exclude(user=user).order_by("name", "pk"),
        "all_groups": Group.objects.order_by("name", "pk"),
        "waiting": _about("user", user.pk, actor=actor),
    }


def of_group(group: Group, *, actor: Actor) -> dict[str, Any]:
    """Return the context of the page of a group."""
    members = list(group.user_set.order_by(users.name_field(), "pk")[: _MOST_MEMBERS + 1])
    own = permissions.of(group.permissions.all())
    people = users.manager().order_by(users.name_field(), "pk")
    return {
        "standings": standings(members[:_MOST_MEMBERS], [group]),
        "has_more": len(members) > _MOST_MEMBERS,
        "decides": power.are_used([group.pk]),
        "policies": Policy.objects.filter(
            is_enabled=True, rules__group=group, rules__is_dropped=False
        ).order_by("governs", "pk"),
        "own": permissions.grouped(own),
        "grantable": permissions.grantable(own),
        "role": permissions.of_the_role(),
        "other_people": people.exclude(groups=group),
        "all_people": people,
        "waiting": _about("group", group.pk, actor=actor),
    }


def _through_groups(user: User) -> QuerySet[Permission]:
    return Permission.objects.filter(group__user=user).distinct()


def _revocable(groups: list[Group], own: list[Permission]) -> dict[str, Any]:
    """Return what came with the role of an approver; all of it goes with the last group."""
    names = {VIEW_REQUESTS, *(each.name for each in permissions.of_the_role())}
    held = (each for section in permissions.grouped(own) for each in section.permissions)
    return {"permissions": [each for each in held if each.name in names], "all": len(groups) == 1}


def _about(kind: str, pk: int, *, actor: Actor) -> list[Presented]:
    """Return the waiting requests on a person or group, or whose commands name it, oldest first."""
    named = Q(**{f"data__{kind}_id": pk}) | Q(**{f"data__{kind}s__contains": [pk]})
    records = CommandRecord.objects.filter(named, command_id=OuterRef("command_id"), attempt=1)
    about = Q(subject_type=kind, subject_id=str(pk)) | Exists(records)
    requests = listing.pending_for(actor).filter(about).order_by("requested_at", "pk")
    return present(requests[:_MOST_WAITING], actor=actor)
