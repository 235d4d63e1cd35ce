"""The handlers of the log's own commands."""

from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.evidence.commands import LogDiffers, RecordLogComparison
from audit.factors import commands as factors
from audit.installation import users
from audit.log import commands, epochs
from audit.messages.exceptions import Conflict, FieldError, Invalid
from audit.sessions import commands as sessions


class CannotWait(Conflict):
    """This command cannot wait for approval: a policy must forbid or allow it."""

    title = "Cannot wait for approval"
    remedy = "Ask the policy owners to change the policy."


class PasswordReplaced(Conflict):
    """The password was changed or reset in the meantime."""

    title = "Password replaced"
    remedy = "Sign in again."


@handles(commands.BeginEpoch)
def begin_epoch(command: commands.BeginEpoch, context: Context) -> None:
    context.emit(commands.EpochBegun(number=epochs.start_by_hand(context.command_id)))


@handles(commands.ExportRecords)
def export_records(command: commands.ExportRecords, context: Context) -> None:
    if not context.reason.strip():
        raise Invalid(errors=[FieldError("reason", "required", "is required: give the purpose")])
    context.emit(commands.ExportBegun(export_id=command.export_id))


@handles(commands.EndExport)
def end_export(command: commands.EndExport, context: Context) -> None:
    event_class = commands.Exported if command.is_complete else commands.ExportBrokenOff
    context.emit(event_class(export_id=command.export_id, rows=command.rows, sha256=command.sha256))


@handles(commands.RecordDrift)
def record_drift(command: commands.RecordDrift, context: Context) -> None:
    """Announce that differences were found; otherwise the record is the only effect."""
    if command.found:
        found = commands.DriftFound(
            comparison_id=context.command_id, rows=command.rows, found=command.found
        )
        context.emit(found)


@handles(RecordLogComparison)
def record_log_comparison(command: RecordLogComparison, context: Context) -> None:
    """Announce that rows differ; otherwise the record is the only effect."""
    if command.found:
        context.emit(LogDiffers(comparison_id=context.command_id, found=command.found))


@handles(commands.MakeCaseFile)
def make_case_file(command: commands.MakeCaseFile, context: Context) -> None:
    """Record the size and SHA-256 of the file, before it is sent."""
    context.emit(
        commands.Exported(export_id=command.export_id, rows=command.rows, sha256=command.sha256)
    )


@handles(commands.ViewPage)
def view_page(command: commands.ViewPage, context: Context) -> None:
    """Do nothing: the record of the command is its only effect."""


@handles(sessions.SignIn)
def sign_in(command: sessions.SignIn, context: Context) -> None:
    context.emit(sessions.SignedIn(user_id=command.user_id, username=context.actor.label))


@handles(sessions.SignOut)
def sign_out(command: sessions.SignOut, context: Context) -> None:
    context.emit(sessions.SignedOut(user_id=command.user_id, username=context.actor.label))


@handles(sessions.ChangePassword)
def change_password(command: sessions.ChangePassword, context: Context) -> None:
    user = users.manager().select_for_update().get(pk=command.user_id)
    if user.password != command.former_hash:
        raise PasswordReplaced
    user.set_password(command.password)
    user.save(update_fields=["password"])
    context.emit(sessions.PasswordChanged(user_id=command.user_id, username=context.actor.label))


@handles(sessions.RecordFailedPasswordChange)
def record_failed_password_change(
    command: sessions.RecordFailedPasswordChange, context: Context
) -> None:
    event = (
        sessions.PasswordChangeThrottled if command.is_throttled else sessions.PasswordChangeFailed
    )
    context.emit(event(user_id=command.user_id, username=context.actor.label))


@handles(sessions.RecordFailedSignIn)
def record_failed_sign_in(command: sessions.RecordFailedSignIn, context: Context) -> None:
    event = sessions.SignInThrottled if command.is_throttled else sessions.SignInFailed
    context.emit(event(user_id=command.user_id, username=command.username))


@handles(sessions.ConfirmSignIn)
def confirm_sign_in(command: sessions.ConfirmSignIn, context: Context) -> None:
    context.emit(sessions.SignInConfirmed(user_id=command.user_id, username=context.actor.label))


@handles(sessions.RecordFailedConfirmation)
def record_failed_confirmation(
    command: sessions.RecordFailedConfirmation, context: Context
) -> None:
    event = sessions.ConfirmationThrottled if command.is_throttled else sessions.ConfirmationFailed
    context.emit(event(user_id=command.user_id, username=context.actor.label))


@precondition(
    *(commands.ExportRecords, commands.EndExport, commands.MakeCaseFile, commands.ViewPage),
    *(commands.RecordDrift, RecordLogComparison),
    *(sessions.SignIn, sessions.SignOut),
    *(sessions.RecordFailedSignIn, sessions.RecordFailedPasswordChange),
    *(sessions.ConfirmSignIn, sessions.RecordFailedConfirmation),
    *(factors.RecordThrottledSecondFactor, factors.RemoveSecondFactor),
    factors.BeginSignIn,
)
def check_is_not_held(*_: object) -> None:
    """Refuse to be held: after approval there would be no request to send the file or page to.

    :raises CannotWait: always, because it is called only when a command is about to be held.
    """
    raise CannotWait
