"""The records of the log, and the base classes of models with prepared statements."""

from audit.models.lean import LeanManager, LeanModel
from audit.models.queries import PreparedQuery
from audit.models.records import (
    AppendOnly,
    CommandRecord,
    Epoch,
    EventRecord,
    Evidence,
    Record,
    Status,
    StreamHead,
    TransactionIdField,
)

__all__ = [
    "AppendOnly",
    "CommandRecord",
    "Epoch",
    "EventRecord",
    "Evidence",
    "LeanManager",
    "LeanModel",
    "PreparedQuery",
    "Record",
    "Status",
    "StreamHead",
    "TransactionIdField",
]
