"""The page between a button and its command: what exactly will happen, and the reason for it."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest
from django.utils.text import get_text_list

from approvals.pages.execution_times import FIELD, ExecutionTimeForm
from approvals.pages.feedback import Feedback, send
from approvals.pages.people import permissions
from approvals.people import accounts, commands, handlers, roles
from approvals.policies import evaluation
from approvals.policies.built_in import QUORUM, built_in_requirements
from approvals.requests.presentation import sentence_for
from audit.bus import handling
from audit.entry.requests import LONGEST_REASON, actor_of_request, context_of
from audit.installation import users
from audit.messages.characters import quoted
from audit.messages.classes import Command
from audit.messages.exceptions import CommandError
from audit.subjects.likeness import similar_to, warning
from audit.subjects.types import label_of

# What the confirmation page adds to the inputs that lead to it.
_OWN = ("csrfmiddlewaretoken", "seen", "reason", "confirm_similar_name", FIELD)
_MOST_NAMES = 12
_REACTIVATED = "The account can sign in again, with its former permissions and groups."
_DEACTIVATED = "The account can no longer sign in, its sessions end, and its votes no longer count."
_STAFF = "The account can sign in here. Its permissions decide which pages it sees."
_NO_STAFF = "The account can no longer sign in here, nor approve requests."
_SUPERUSER = "The account gets every permission. It can vote only as a member of a group."
_NO_SUPERUSER = "The account keeps its own permissions and those of its groups."
_EFFECTS: Mapping[type[Command], str] = {
    commands.CreateUser: "The account has no permissions yet. A password link is shown once.",
    commands.DeleteUser: "The account is deleted permanently. The audit log keeps its name.",
    commands.RequirePasswordReset: (
        "The password stops working and all sessions end, until a new one is set."
    ),
    commands.ResetSecondFactor: (
        "The authenticator app and the recovery codes stop working, and the sessions that began "
        "with them end. With the password, a new app can be set up at the next sign-in."
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """A command that is about to be sent, as its page shows it.

    ``obstacle`` is the reason why it would be refused; empty if none is known. ``likeness`` is a
    warning about names that a new one is easily confused with, to be confirmed separately.
    """

    sentence: str
    effects: list[str]
    approval: str
    obstacle: str
    likeness: str


class Asked:
    """The commands of a form, as its confirmation page shows them."""

    longest_reason = LONGEST_REASON

    def __init__(self, commands: Sequence[Command], *, request: HttpRequest) -> None:
        self._commands, self._request = commands, request
        self._form = request.POST if request.method == "POST" else request.GET
        self.confirmations = [confirmation_of(each, request=request) for each in commands]
        self.time = ExecutionTimeForm(request.POST if "seen" in request.POST else None)

    @property
    def seen(self) -> str:
        """A digest of what the page shows, so that nothing else is confirmed."""
        shown = json.dumps([dataclasses.astuple(each) for each in self.confirmations])
        return hashlib.sha256(shown.encode()).hexdigest()

    @property
    def is_confirmed(self) -> bool:
        """True if the page that was confirmed showed what the commands would do now."""
        return self._request.POST.get("seen") == self.seen

    @property
    def is_ready(self) -> bool:
        """True if the commands can be sent as they were confirmed."""
        return self.is_confirmed and self.time.is_valid()

    @property
    def may_be_held(self) -> bool:
        """True if at least one of the commands needs approval, or may need it."""
        return any(each.approval for each in self.confirmations)

    @property
    def has_changed(self) -> bool:
        """True if a page was confirmed that showed something else."""
        return "seen" in self._request.POST and not self.is_confirmed

    @property
    def can_be_sent(self) -> bool:
        """True if at least one of the commands would not be refused."""
        return any(not each.obstacle for each in self.confirmations)

    @property
    def must_confirm_name(self) -> bool:
        """True if a new name is easily confused with another one."""
        return any(each.likeness for each in self.confirmations)

    @property
    def reason(self) -> str:
        return self._request.POST.get("reason", "")

    @property
    def inputs(self) -> list[tuple[str, str]]:
        """The inputs that lead to the page, to be sent again with it."""
        given = self._form.lists()
        return [(name, each) for name, values in given for each in values if name not in _OWN]

    def send(self) -> Iterator[Feedback]:
        """Send the commands in turn, and yield feedback on each."""
        for command in self._commands:
            yield send(command, request=self._request)


def confirmation_of(command: Command, *, request: HttpRequest) -> Confirmation:
    """Return what a command would do if it were sent now."""
    obstacle, approval = "", ""
    actor = actor_of_request(request)
    (similar,) = similar_to([command], actor=actor)
    try:
        context = context_of(request, channel="admin")
        handling.check_precondition(_with_confirmed_name(command), context)
        _check(command)
        approval = _approval(command)
    except CommandError as refusal:
        obstacle = refusal.message
    except ObjectDoesNotExist:
        obstacle = "It does not exist, or no longer."
    return Confirmation(
        sentence=sentence_for(command, actor=actor),
        effects=[] if obstacle else effects_of(command),
        approval=approval,
        obstacle=obstacle,
        likeness=warning(similar) if similar else "",
    )


def effects_of(command: Command) -> list[str]:
    """Return the effects of a command, besides the one that its sentence names."""
    match command:
        case commands.SendPasswordLink(user_id=user_id):
            address = users.email_of(users.manager().get(pk=user_id))
            return [f"It is sent to {address} and works once."]
        case commands.AddToGroup() | commands.RemoveFromGroup() | commands.DeleteGroup():
            return _on_group(command)
        case roles.GrantApproverRole():
            return _sentences(roles.parts_to_grant(command))
        case roles.RevokeApproverRole():
            return _sentences(roles.parts_to_revoke(command))
        case roles.CreateApprover():
            return _of_new_approver(command)
        case _:
            return list(filter(None, [_on_account(command) or _on_permission(command)]))


def _on_group(command: Command) -> list[str]:
    match command:
        case commands.AddToGroup(group_id=group_id):
            return _of_membership(group_id, verb="grants")
        case commands.RemoveFromGroup(group_id=group_id):
            return _of_membership(group_id, verb="no longer grants")
        case commands.DeleteGroup(group_id=group_id):
            return _of_deletion(Group.objects.get(pk=group_id))
        case _:
            return []


def _on_account(command: Command) -> str:
    match command:
        case commands.SetAccountStatus(is_active=is_active):
            return _REACTIVATED if is_active else _DEACTIVATED
        case commands.SetAdminAccess(is_staff=is_staff):
            return _STAFF if is_staff else _NO_STAFF
        case commands.SetSuperuserStatus(is_superuser=is_superuser):
            return _SUPERUSER if is_superuser else _NO_SUPERUSER
        case _:
            return _EFFECTS.get(type(command), "")


def _on_permission(command: Command) -> str:
    name = getattr(command, "permission", "")
    return f"The permission is to {_label(name)}." if name else ""


def _with_confirmed_name(command: Command) -> Command:
    if isinstance(command, commands.CreateUser | commands.CreateGroup | commands.RenameGroup):
        return dataclasses.replace(command, confirm_similar_name=True)
    return command


def _approval(command: Command) -> str:
    if built_in_requirements(command) is not None:
        return f"It waits until {QUORUM} Policy owners approve it."
    policies = evaluation.describe(type(command))
    return f"Policies may hold it for approval: {policies}." if policies else ""


def _check(command: Command) -> None:
    """Check what the handler of a command without a precondition would refuse."""
    match command:
        case commands.DeleteUser(user_id=user_id):
            handlers.check_user_can_be_deleted(users.manager().get(pk=user_id))
        case commands.DeleteGroup(group_id=group_id):
            handlers.check_group_can_be_deleted(Group.objects.get(pk=group_id))
        case commands.CreateUser(username=username, email=email):
            accounts.new_user(username, email=email)
        case commands.CreateGroup(group_name=name):
            accounts.check_valid(Group(name=name))


def _of_membership(group_id: int, *, verb: str) -> list[str]:
    granted = permissions.of(Permission.objects.filter(group=group_id))
    labels = ", ".join(sorted(map(permissions.label_of, granted)))
    return [f"The membership {verb} the permissions of the group: {labels}."] if labels else []


def _of_deletion(group: Group) -> list[str]:
    field = users.name_field()
    names = list(group.user_set.order_by(field).values_list(field, flat=True))
    shown, rest = ", ".join(map(quoted, names[:_MOST_NAMES])), len(names[_MOST_NAMES:])
    more = f" and {rest} more" if rest else ""
    return [f"These people lose the membership: {shown}{more}."] if names else []


def _of_new_approver(command: roles.CreateApprover) -> list[str]:
    labels = get_text_list(list(map(_label, roles.permissions_of(command))), "and")
    return [
        f"The account is a member of the group, has admin access, and may {labels}.",
        f"Once it is created, a password link is sent to {command.email}.",
    ]


def _sentences(parts: Iterable[Any]) -> list[str]:
    return [f"{_in_words(part, users.manager().get(pk=part.user_id))}." for part in parts]


def _in_words(part: Command, user: User) -> str:
    """Return the sentence of a part of a role; permissions by their plain names."""
    match part:
        case commands.GrantPermission(permission=name):
            return f"Grant {label_of(user)} the permission to {_label(name)}"
        case commands.RevokePermission(permission=name):
            return f"Revoke the permission to {_label(name)} from {label_of(user)}"
        case _:
            return part.describe(label_of(user))


def _label(name: str) -> str:
    return permissions.label_of(accounts.permission_named(name))
