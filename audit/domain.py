"""The public API for the domain code of an app: messages, handlers, models and their history.

Models, commands, handlers and management commands import from here, and from no sub-package.
"""

from audit.actors.actors import SYSTEM, Actor
from audit.actors.credentials import credential
from audit.actors.permissions import ids_sql as permission_ids_sql
from audit.actors.permissions import named as permission_names
from audit.actors.scopes import READ, WRITE
from audit.actors.scopes import needed_for as scopes_needed_for
from audit.actors.scopes import not_covered as scopes_not_covered
from audit.bus.authorization import known_scopes
from audit.bus.context import Context
from audit.bus.dispatch import dispatch, dispatch_all
from audit.bus.handling import handles, precondition
from audit.bus.postponements import (
    Pending,
    pending_by_subject,
    pending_on,
    pending_sql,
    read_pending,
)
from audit.entry import rate_limits
from audit.entry.rate_limits import Limit, LimiterFailed, LimitReached, Quota
from audit.entry.requests import client_address, normal_address
from audit.entry.shell import carry_all_out, carry_out, errors_told
from audit.messages.catalog import upcasts
from audit.messages.classes import Command, Event, Subject, SubjectOf, generated, secret
from audit.messages.exceptions import Conflict, FieldError, Forbidden, Invalid, NotFound
from audit.messages.outcomes import Completed, Postponed
from audit.messages.values import codec
from audit.models.lean import LeanManager, LeanModel
from audit.models.queries import PreparedQuery
from audit.outside import outside_command
from audit.subjects.streams import stream_number_sql
from audit.subjects.types import subject
from audit.tracking.folding import State, evolves
from audit.tracking.history import HistoricalRecords

__all__ = [
    "READ",
    "SYSTEM",
    "WRITE",
    "Actor",
    "Command",
    "Completed",
    "Conflict",
    "Context",
    "Event",
    "FieldError",
    "Forbidden",
    "HistoricalRecords",
    "Invalid",
    "LeanManager",
    "LeanModel",
    "Limit",
    "LimitReached",
    "LimiterFailed",
    "NotFound",
    "Pending",
    "Postponed",
    "PreparedQuery",
    "Quota",
    "State",
    "Subject",
    "SubjectOf",
    "carry_all_out",
    "carry_out",
    "client_address",
    "codec",
    "credential",
    "dispatch",
    "dispatch_all",
    "errors_told",
    "evolves",
    "generated",
    "handles",
    "known_scopes",
    "normal_address",
    "outside_command",
    "pending_by_subject",
    "pending_on",
    "pending_sql",
    "permission_ids_sql",
    "permission_names",
    "precondition",
    "rate_limits",
    "read_pending",
    "scopes_needed_for",
    "scopes_not_covered",
    "secret",
    "stream_number_sql",
    "subject",
    "upcasts",
]
