"""The records of the log, and the base classes of models with prepared statements."""

from audit.models.allowances import Allowance
from audit.models.records import TransactionIdField

# Migrations refer to the field by this module.
__all__ = ["Allowance", "TransactionIdField"]
