"""The handlers of the log's own commands."""

from django.contrib.auth import get_user_model
from django.utils import timezone

from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.log.commands import (
    BeginEpoch,
    EndExport,
    EpochBegun,
    ExportBegun,
    ExportBrokenOff,
    Exported,
    ExportRecords,
    ViewPage,
)
from audit.messages.classes import Command
from audit.messages.exceptions import Conflict, FieldError, Invalid
from audit.models.records import Epoch
from audit.sessions.commands import (
    ChangePassword,
    PasswordChanged,
    RecordFailedSignIn,
    SignedIn,
    SignedOut,
    SignIn,
    SignInFailed,
    SignInThrottled,
    SignOut,
)


class CannotWait(Conflict):
    """This command cannot wait for approval: a policy must forbid or allow it."""

    title = "Cannot wait for approval"
    remedy = "Ask the policy owners to change the policy."


@handles(BeginEpoch)
def begin_epoch(command: BeginEpoch, context: Context) -> Epoch:
    epoch = Epoch.objects.create(
        number=Epoch.objects.latest("number").number + 1,
        began_at=timezone.now(),
        command_id=context.command_id,
    )
    context.emit(EpochBegun(number=epoch.number))
    return epoch


@handles(ExportRecords)
def export_records(command: ExportRecords, context: Context) -> None:
    if not context.reason.strip():
        raise Invalid(errors=[FieldError("reason", "required", "is required: give the purpose")])
    context.emit(ExportBegun(export_id=command.export_id))


@handles(EndExport)
def end_export(command: EndExport, context: Context) -> None:
    event_class = Exported if command.is_complete else ExportBrokenOff
    context.emit(event_class(export_id=command.export_id, rows=command.rows, sha256=command.sha256))


@handles(ViewPage)
def view_page(command: ViewPage, context: Context) -> None:
    """Do nothing: the record of the command is its only effect."""


@handles(SignIn)
def sign_in(command: SignIn, context: Context) -> None:
    context.emit(SignedIn(user_id=command.user_id, username=context.actor.label))


@handles(SignOut)
def sign_out(command: SignOut, context: Context) -> None:
    context.emit(SignedOut(user_id=command.user_id, username=context.actor.label))


@handles(ChangePassword)
def change_password(command: ChangePassword, context: Context) -> None:
    user = get_user_model()._default_manager.select_for_update().get(pk=command.user_id)
    user.set_password(command.password)
    user.save(update_fields=["password"])
    context.emit(PasswordChanged(user_id=command.user_id, username=context.actor.label))


@handles(RecordFailedSignIn)
def record_failed_sign_in(command: RecordFailedSignIn, context: Context) -> None:
    user = get_user_model()._default_manager.filter(pk=command.user_id).first()
    event = SignInThrottled if command.is_throttled else SignInFailed
    context.emit(event(user_id=command.user_id, username=user.get_username() if user else ""))


@precondition(ExportRecords, EndExport, ViewPage, SignIn, SignOut, RecordFailedSignIn)
def check_is_not_held(command: Command, *_: object) -> None:
    """Refuse to be held: after approval there would be no request to send the file or page to.

    :raises CannotWait: always, because it is called only when a command is about to be held.
    """
    raise CannotWait
