"""What the pages of people and groups send: from a button and its fields to a command."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from django.contrib.messages import constants as levels
from django.http import HttpRequest, QueryDict

from approvals.pages.feedback import Feedback, feedback_on
from approvals.people.commands import (
    AddToGroup,
    CreateGroup,
    CreateUser,
    DeleteGroup,
    DeleteUser,
    GrantGroupPermission,
    GrantPermission,
    RemoveFromGroup,
    RenameGroup,
    RequirePasswordReset,
    RevokeGroupPermission,
    RevokePermission,
    SendPasswordLink,
    SetStaff,
    SetSuperuser,
    SetUserActive,
)
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError, FieldError, Invalid
from audit.messages.text import clean_text

_LONGEST_FIELD = 254


class Verb(NamedTuple):
    """A button: what it says, and the command that it sends."""

    words: str
    build: Callable[[int, QueryDict], Command]


USER_VERBS: Mapping[str, Verb] = {
    "activate": Verb("Activate", lambda pk, _: SetUserActive(user_id=pk, is_active=True)),
    "deactivate": Verb("Deactivate", lambda pk, _: SetUserActive(user_id=pk, is_active=False)),
    "staff": Verb("Grant admin access", lambda pk, _: SetStaff(user_id=pk, is_staff=True)),
    "no_staff": Verb("Revoke admin access", lambda pk, _: SetStaff(user_id=pk, is_staff=False)),
    "superuser": Verb(
        "Grant superuser status", lambda pk, _: SetSuperuser(user_id=pk, is_superuser=True)
    ),
    "no_superuser": Verb(
        "Revoke superuser status", lambda pk, _: SetSuperuser(user_id=pk, is_superuser=False)
    ),
    "reset": Verb("Require a new password", lambda pk, _: RequirePasswordReset(user_id=pk)),
    "link": Verb("Send a password link", lambda pk, _: SendPasswordLink(user_id=pk)),
    "delete": Verb("Delete", lambda pk, _: DeleteUser(user_id=pk)),
    "join": Verb(
        "Add to group", lambda pk, form: AddToGroup(user_id=pk, group_id=_number(form, "group"))
    ),
    "leave": Verb(
        "Remove from group",
        lambda pk, form: RemoveFromGroup(user_id=pk, group_id=_number(form, "group")),
    ),
    "grant": Verb(
        "Grant permission",
        lambda pk, form: GrantPermission(user_id=pk, permission=_text(form, "permission")),
    ),
    "revoke": Verb(
        "Revoke permission",
        lambda pk, form: RevokePermission(user_id=pk, permission=_text(form, "permission")),
    ),
}
GROUP_VERBS: Mapping[str, Verb] = {
    "delete": Verb("Delete", lambda pk, _: DeleteGroup(group_id=pk)),
    "rename": Verb(
        "Rename", lambda pk, form: RenameGroup(group_id=pk, group_name=_text(form, "name"))
    ),
    "join": Verb(
        "Add person", lambda pk, form: AddToGroup(user_id=_number(form, "user"), group_id=pk)
    ),
    "leave": Verb(
        "Remove person",
        lambda pk, form: RemoveFromGroup(user_id=_number(form, "user"), group_id=pk),
    ),
    "grant": Verb(
        "Grant permission",
        lambda pk, form: GrantGroupPermission(group_id=pk, permission=_text(form, "permission")),
    ),
    "revoke": Verb(
        "Revoke permission",
        lambda pk, form: RevokeGroupPermission(group_id=pk, permission=_text(form, "permission")),
    ),
}


def create_user(form: QueryDict) -> Command:
    return CreateUser(username=_text(form, "username"), email=_text(form, "email"))


def create_group(form: QueryDict) -> Command:
    return CreateGroup(group_name=_text(form, "name"))


def send(
    build: Callable[[], Command],
    *,
    label: str,
    request: HttpRequest,
    expected_number: int | None = None,
) -> Feedback:
    """Dispatch what a form asks for, and say in words what came of it.

    With ``expected_number`` it is refused if the subject is no longer at that number.
    """
    reason = request.POST.get("reason", "")
    context = context_of(request, channel="admin", reason=reason, expected_number=expected_number)
    try:
        command = build()
        outcome = dispatch(command, context=context)
    except CommandError as error:
        return Feedback(f"{label}: {error.message}", levels.ERROR)
    subject = command.subject_reference()
    return feedback_on(outcome, command.describe(label if subject else ""))


def _text(form: QueryDict, name: str) -> str:
    return clean_text(form.get(name, ""), longest=_LONGEST_FIELD)


def _number(form: QueryDict, name: str) -> int:
    given = form.get(name, "")
    if not (given.isascii() and given.isdecimal()):
        raise Invalid(errors=[FieldError(name, "required", "is required")])
    return int(given)
