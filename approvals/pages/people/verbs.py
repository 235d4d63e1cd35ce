"""Buttons of the pages of people and groups: from a button and its form to a command."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from django.contrib.auth.models import Group, User
from django.http import QueryDict

from approvals.passkeys.commands import ResetPasskeys
from approvals.passkeys.models import Passkey
from approvals.people import commands, roles
from audit.factors.requirement import has_app
from audit.installation import users
from audit.messages.classes import Command
from audit.messages.exceptions import FieldError, Invalid
from audit.messages.text import clean_text

_LONGEST_FIELD = 254
# Names of form inputs that differ from those of the commands' fields.
_INPUTS = {"user_id": "user", "group_id": "group", "group_name": "name"}


def _always(_: Any) -> bool:
    return True


class Verb(NamedTuple):
    """A button: its label, and the command that it sends, with the values that it sets.

    ``applies``: True for a row that the command would change.
    """

    label: str
    command: type[Command]
    values: Mapping[str, bool] = {}
    applies: Callable[[Any], bool] = _always

    def build(self, form: QueryDict, **known: int) -> Command:
        """Return the command; fields whose values are not known are read from the form.

        :raises Invalid: if a value in the form is not of its field's type.
        """
        values: dict[str, Any] = {**self.values, **known}
        for field in fields(self.command):
            if field.name not in values:
                read = _READERS.get(field.type, _texts)
                values[field.name] = read(form, _INPUTS.get(field.name, field.name))
        return self.command(**values)


def applying(verbs: Mapping[str, Verb], row: User | Group) -> dict[str, Verb]:
    """Return the verbs that would change the row, by name."""
    return {name: verb for name, verb in verbs.items() if verb.applies(row)}


CREATE_USER = Verb("Create", commands.CreateUser)
USER_VERBS: Mapping[str, Verb] = {
    "activate": Verb(
        "Activate", commands.SetAccountStatus, {"is_active": True}, lambda user: not user.is_active
    ),
    "deactivate": Verb(
        "Deactivate", commands.SetAccountStatus, {"is_active": False}, lambda user: user.is_active
    ),
    "staff": Verb(
        "Grant admin access",
        commands.SetAdminAccess,
        {"is_staff": True},
        lambda user: not user.is_staff,
    ),
    "no_staff": Verb(
        "Revoke admin access",
        commands.SetAdminAccess,
        {"is_staff": False},
        lambda user: user.is_staff,
    ),
    "superuser": Verb(
        "Grant superuser status",
        commands.SetSuperuserStatus,
        {"is_superuser": True},
        lambda user: not user.is_superuser,
    ),
    "no_superuser": Verb(
        "Revoke superuser status",
        commands.SetSuperuserStatus,
        {"is_superuser": False},
        lambda user: user.is_superuser,
    ),
    "reset": Verb(
        "Require a new password",
        commands.RequirePasswordReset,
        applies=lambda user: user.has_usable_password(),
    ),
    "link": Verb(
        "Send a password link",
        commands.SendPasswordLink,
        applies=lambda user: user.is_active and bool(users.email_of(user)),
    ),
    "reset_factor": Verb(
        "Reset the second factor",
        commands.ResetSecondFactor,
        applies=lambda user: has_app(user.pk),
    ),
    "reset_passkeys": Verb(
        "Reset passkeys",
        ResetPasskeys,
        applies=lambda user: Passkey.objects.filter(user=user).exists(),
    ),
    "delete": Verb("Delete", commands.DeleteUser),
    "join": Verb("Add to group", commands.AddToGroup),
    "leave": Verb("Remove", commands.RemoveFromGroup),
    "grant": Verb("Grant permission", commands.GrantPermission),
    "revoke": Verb("Revoke", commands.RevokePermission),
    "approver": Verb("Make an approver", roles.GrantApproverRole),
    "no_approver": Verb("Revoke the role", roles.RevokeApproverRole),
}
CREATE_GROUP = Verb("Create", commands.CreateGroup)
GROUP_VERBS: Mapping[str, Verb] = {
    "rename": Verb("Rename", commands.RenameGroup),
    "delete": Verb("Delete", commands.DeleteGroup),
    "join": Verb("Add person", commands.AddToGroup),
    "leave": Verb("Remove", commands.RemoveFromGroup),
    "grant": Verb("Grant permission", commands.GrantGroupPermission),
    "revoke": Verb("Revoke", commands.RevokeGroupPermission),
    "approver": Verb("Make an approver", roles.GrantApproverRole),
    "no_approver": Verb("Revoke the role", roles.RevokeApproverRole),
}


def _text(form: QueryDict, name: str) -> str:
    return clean_text(form.get(name, ""), longest=_LONGEST_FIELD)


def _texts(form: QueryDict, name: str) -> tuple[str, ...]:
    return tuple(clean_text(each, longest=_LONGEST_FIELD) for each in form.getlist(name))


def _flag(form: QueryDict, name: str) -> bool:
    return name in form


def _number(form: QueryDict, name: str) -> int:
    given = form.get(name, "")
    if not (given.isascii() and given.isdecimal()):
        raise Invalid(errors=[FieldError(name, "required", "is required")])
    return int(given)


# The reader of each type of field; the others are texts.
_READERS: Mapping[Any, Callable[[QueryDict, str], Any]] = {
    int: _number,
    bool: _flag,
    str: _text,
}
