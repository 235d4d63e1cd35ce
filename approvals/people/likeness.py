"""Names of people and groups that are easily confused with others."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TypeVar

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User
from django.db.models import Q

from approvals.people import commands
from approvals.people.accounts import OWNERS
from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.installation import users
from audit.messages.characters import quoted
from audit.messages.confusables import pattern_of, skeletons
from audit.messages.exceptions import Conflict
from audit.subjects.likeness import check_confirmed, finds_similar

_Row = TypeVar("_Row", User, Group)


class LikeAnApprover(Conflict):
    """The name is easily confused with that of an approver, or of a group of approvers."""

    title = "Like the name of an approver"
    remedy = "Use a name that cannot be confused with it."


def deciding_groups() -> set[int]:
    """Return the ids of the groups whose members decide on requests."""
    in_rules = Q(rule__is_dropped=False, rule__policy__is_enabled=True)
    return set(Group.objects.filter(Q(name=OWNERS) | in_rules).values_list("pk", flat=True))


def check_new_username(name: str, *, is_confirmed: bool, context: Context) -> None:
    """Check a name for a new account against those of the others.

    :raises LikeAnApprover: if it is easily confused with that of an approver.
    :raises SimilarName: if it is with another one, and that is not confirmed.
    """
    (similar,) = _similar(_candidates(get_user_model(), [name]), [name])
    deciding = users.manager().filter(
        pk__in=[user.pk for user in similar], groups__in=deciding_groups()
    )
    _check(similar, is_deciding=deciding.exists(), is_confirmed=is_confirmed, context=context)


def check_new_group_name(
    name: str, *, group: Group | None = None, is_confirmed: bool, context: Context
) -> None:
    """Check a new name of a group against those of the others.

    :raises LikeAnApprover: if it is easily confused with another one, and one of them decides.
    :raises SimilarName: if it is easily confused with another one, and that is not confirmed.
    """
    others = _candidates(Group, [name])
    (similar,) = _similar((each for each in others if each != group), [name])
    concerned = {each.pk for each in similar} | ({group.pk} if group else set())
    is_deciding = bool(similar) and not concerned.isdisjoint(deciding_groups())
    _check(similar, is_deciding=is_deciding, is_confirmed=is_confirmed, context=context)


def check_may_decide(*, people: Iterable[User] = (), groups: Iterable[Group] = ()) -> None:
    """Check that names of people and groups who are to decide are not like any other.

    :raises LikeAnApprover: if one is.
    """
    for row, others in (
        *((each, _like(each, get_user_model())) for each in people),
        *((each, _like(each, Group)) for each in groups),
    ):
        if others:
            message = f"The name {quoted(str(row))} is easily confused with another one."
            raise LikeAnApprover(message)


@finds_similar(commands.CreateUser)
def find_users(asked: Sequence[commands.CreateUser], actor: Actor) -> list[list[str]]:
    return _labels(get_user_model(), [each.username for each in asked], actor)


@finds_similar(commands.CreateGroup)
def find_groups(asked: Sequence[commands.CreateGroup], actor: Actor) -> list[list[str]]:
    return _labels(Group, [each.group_name for each in asked], actor)


@finds_similar(commands.RenameGroup)
def find_other_groups(asked: Sequence[commands.RenameGroup], actor: Actor) -> list[list[str]]:
    names = [each.group_name for each in asked]
    return [
        _seen([row for row in similar if row.pk != each.group_id], actor)
        for each, similar in zip(asked, _similar(_candidates(Group, names), names), strict=True)
    ]


def _check(
    similar: Sequence[User | Group], *, is_deciding: bool, is_confirmed: bool, context: Context
) -> None:
    if is_deciding:
        raise LikeAnApprover
    confirmed = is_confirmed or context.is_replay
    check_confirmed(_seen(similar, context.actor), is_confirmed=confirmed)


def _candidates(model: type[_Row], names: Sequence[str]) -> list[_Row]:
    """Return the rows whose names may be confusable with one of these."""
    column = "name" if model is Group else users.name_field()
    found = model._default_manager.filter(**{f"{column}__regex": pattern_of(names)})
    return list(found.only(column).order_by("pk"))


def _like(row: User | Group, model: type[_Row]) -> list[_Row]:
    (similar,) = _similar(_candidates(model, [str(row)]), [str(row)])
    return similar


def _similar(rows: Iterable[_Row], names: Sequence[str]) -> list[list[_Row]]:
    """Return for each name the rows with another name that is confusable with it.

    Each row is read once, whatever the number of names: 10,000 names with characters other than
    ASCII, which are all candidates, take 50 ms.
    """
    like: defaultdict[tuple[int, str], dict[str, _Row]] = defaultdict(dict)
    for row in rows:
        for skeleton in enumerate(skeletons(str(row))):
            like[skeleton][str(row)] = row
    found = [like[0, first] | like[1, second] for first, second in map(skeletons, names)]
    return [
        sorted((row for each, row in alike.items() if each != name), key=attrgetter("pk"))
        for name, alike in zip(names, found, strict=True)
    ]


def _labels(model: type[_Row], names: Sequence[str], actor: Actor) -> list[list[str]]:
    return [_seen(similar, actor) for similar in _similar(_candidates(model, names), names)]


def _seen(rows: Sequence[User | Group], actor: Actor) -> list[str]:
    """Return the names of rows that the actor may see; others only by their kind."""
    return [
        f"{row._meta.verbose_name} {quoted(str(row))}"
        if actor.may(f"auth.view_{row._meta.model_name}")
        else f"another {row._meta.verbose_name}"
        for row in rows
    ]
