"""Commands of the pages of people and groups: from a button and its form to a command."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from django.contrib.messages import constants as levels
from django.http import HttpRequest, QueryDict

from approvals.pages.feedback import Feedback, feedback_on
from approvals.people import commands
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError, FieldError, Invalid
from audit.messages.text import clean_text
from audit.subjects.likeness import SimilarName

_LONGEST_FIELD = 254
# Names of form inputs that differ from those of the commands' fields.
_INPUTS = {"user_id": "user", "group_id": "group", "group_name": "name"}


class Verb(NamedTuple):
    """A button: its label, and the command that it sends, with the values that it sets."""

    label: str
    command: type[Command]
    values: Mapping[str, bool] = {}

    def build(self, form: QueryDict, **known: int) -> Command:
        """Return the command; fields whose values are not known are read from the form.

        :raises Invalid: if a value in the form is not of its field's type.
        """
        values: dict[str, Any] = {**self.values, **known}
        for field in fields(self.command):
            if field.name not in values:
                read = _READS.get(field.type, _text)
                values[field.name] = read(form, _INPUTS.get(field.name, field.name))
        return self.command(**values)


CREATE_USER = Verb("Create", commands.CreateUser)
USER_VERBS: Mapping[str, Verb] = {
    "activate": Verb("Activate", commands.SetUserActive, {"is_active": True}),
    "deactivate": Verb("Deactivate", commands.SetUserActive, {"is_active": False}),
    "staff": Verb("Grant admin access", commands.SetStaff, {"is_staff": True}),
    "no_staff": Verb("Revoke admin access", commands.SetStaff, {"is_staff": False}),
    "superuser": Verb("Grant superuser status", commands.SetSuperuser, {"is_superuser": True}),
    "no_superuser": Verb("Revoke superuser status", commands.SetSuperuser, {"is_superuser": False}),
    "reset": Verb("Require a new password", commands.RequirePasswordReset),
    "link": Verb("Send a password link", commands.SendPasswordLink),
    "delete": Verb("Delete", commands.DeleteUser),
    "join": Verb("Add to group", commands.AddToGroup),
    "leave": Verb("Remove from group", commands.RemoveFromGroup),
    "grant": Verb("Grant permission", commands.GrantPermission),
    "revoke": Verb("Revoke permission", commands.RevokePermission),
}
CREATE_GROUP = Verb("Create", commands.CreateGroup)
GROUP_VERBS: Mapping[str, Verb] = {
    "delete": Verb("Delete", commands.DeleteGroup),
    "rename": Verb("Rename", commands.RenameGroup),
    "join": Verb("Add person", commands.AddToGroup),
    "leave": Verb("Remove person", commands.RemoveFromGroup),
    "grant": Verb("Grant permission", commands.GrantGroupPermission),
    "revoke": Verb("Revoke permission", commands.RevokeGroupPermission),
}


def send(
    build: Callable[[], Command],
    *,
    label: str,
    request: HttpRequest,
    expected_number: int | None = None,
) -> Feedback:
    """Dispatch the command of a form, and return feedback on it.

    With ``expected_number`` it is refused if the subject is no longer at that number.
    """
    reason = request.POST.get("reason", "")
    context = context_of(request, channel="admin", reason=reason, expected_number=expected_number)
    try:
        command = build()
        outcome = dispatch(command, context=context)
    except SimilarName as error:
        return Feedback(error.message, levels.WARNING, must_confirm=True)
    except CommandError as error:
        return Feedback(f"{label}: {error.message}", levels.ERROR)
    subject = command.subject_reference()
    return feedback_on(outcome, command.describe(label if subject else ""))


def _text(form: QueryDict, name: str) -> str:
    return clean_text(form.get(name, ""), longest=_LONGEST_FIELD)


def _checked(form: QueryDict, name: str) -> bool:
    return form.get(name) == "yes"


def _number(form: QueryDict, name: str) -> int:
    given = form.get(name, "")
    if not (given.isascii() and given.isdecimal()):
        raise Invalid(errors=[FieldError(name, "required", "is required")])
    return int(given)


_READS: Mapping[Any, Callable[[QueryDict, str], Any]] = {int: _number, bool: _checked}
