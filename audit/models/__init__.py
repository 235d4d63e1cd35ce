"""The records of the log, and the base classes of models with prepared statements."""

from audit.models.allowances import Allowance
from audit.models.outside_changes import OutsideChange
from audit.models.processes import ProcessInstance, ProcessTimer
from audit.models.records import CommandRecord
from audit.models.subscriptions import Checkpoint, Setback
from audit.models.transaction_ids import TransactionIdField

# Django finds the models here, and migrations refer to the field by this module.
__all__ = [
    "Allowance",
    "Checkpoint",
    "CommandRecord",
    "OutsideChange",
    "ProcessInstance",
    "ProcessTimer",
    "Setback",
    "TransactionIdField",
]
