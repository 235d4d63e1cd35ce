"""The handlers of the log's own commands."""

from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.log import commands, epochs
from audit.messages.exceptions import Conflict, FieldError, Invalid


class CannotWait(Conflict):
    """This command cannot wait for approval: a policy must forbid or allow it."""

    title = "Cannot wait for approval"
    remedy = "Ask the policy owners to change the policy."


@handles(commands.BeginEpoch)
def begin_epoch(command: commands.BeginEpoch, context: Context) -> None:
    context.emit(commands.EpochBegun(number=epochs.start(context.command_id)))


@handles(commands.ExportRecords)
def export_records(command: commands.ExportRecords, context: Context) -> None:
    if not context.reason.strip():
        raise Invalid(errors=[FieldError("reason", "required", "is required: give the purpose")])
    context.emit(commands.ExportBegun(export_id=command.export_id))


@handles(commands.EndExport)
def end_export(command: commands.EndExport, context: Context) -> None:
    event_class = commands.Exported if command.is_complete else commands.ExportBrokenOff
    context.emit(event_class(export_id=command.export_id, rows=command.rows, sha256=command.sha256))


@handles(commands.ViewPage)
def view_page(command: commands.ViewPage, context: Context) -> None:
    """Do nothing: the record of the command is its only effect."""


@precondition(commands.ExportRecords, commands.EndExport, commands.ViewPage)
def check_is_not_held(*_: object) -> None:
    """Refuse to be held: after approval there would be no request to send the file or page to.

    :raises CannotWait: always, because it is called only when a command is about to be held.
    """
    raise CannotWait
