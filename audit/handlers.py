"""The handlers of the log's own commands."""

from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.log import epochs
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
from audit.messages.exceptions import Conflict, FieldError, Invalid


class CannotWait(Conflict):
    """This command cannot wait for approval: a policy must forbid or allow it."""

    title = "Cannot wait for approval"
    remedy = "Ask the policy owners to change the policy."


@handles(BeginEpoch)
def begin_epoch(command: BeginEpoch, context: Context) -> None:
    context.emit(EpochBegun(number=epochs.start(context.command_id)))


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


@precondition(ExportRecords, EndExport, ViewPage)
def check_is_not_held(command: ExportRecords | EndExport | ViewPage, *_: object) -> None:
    """Refuse to be held: after approval there would be no request to send the file or page to.

    :raises CannotWait: always, because it is called only when a command is about to be held.
    """
    raise CannotWait
