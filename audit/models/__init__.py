"""Rows of the log."""

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
    "Record",
    "Status",
    "StreamHead",
    "TransactionIdField",
]
