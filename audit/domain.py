"""The public API for the domain code of an app: messages, handlers, models and their history.

Models, commands, handlers and management commands import from here, and from no sub-package. The
names are those that this module imports.
"""

from audit.actors.actors import SYSTEM, Actor, actor_for_user
from audit.actors.credentials import credential
from audit.actors.permissions import granted_sql as permission_granted_sql
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
from audit.log.queries import message_type_of
from audit.messages.catalog import upcasts
from audit.messages.characters import actor_name, identifier, quoted
from audit.messages.classes import Command, Event, Subject, SubjectOf, generated, secret
from audit.messages.confusables import confusable_with, skeletons
from audit.messages.exceptions import Conflict, FieldError, Forbidden, Invalid, NotFound
from audit.messages.names import check_name
from audit.messages.outcomes import Completed, Postponed
from audit.messages.values import codec
from audit.models.json import ObjectField
from audit.models.lean import LeanManager, LeanModel
from audit.models.queries import PreparedQuery
from audit.models.sequences import from_sequence
from audit.outside import outside_command
from audit.reactions.declarations import reacts_to
from audit.reactions.deliveries import Delivery
from audit.reactions.processes.declarations import every, on
from audit.reactions.processes.managers import process
from audit.reactions.processes.process import Process
from audit.reactions.relays.brokers import Broker, BrokerUnavailable, EventRefused, RelayedEvent
from audit.reactions.relays.declarations import relays
from audit.subjects.likeness import SimilarName, check_confirmed, finds_similar
from audit.subjects.streams import stream_number_sql
from audit.subjects.types import not_found, subject
from audit.tracking.folding import UNKNOWN, State, evolves
from audit.tracking.history import HistoricalRecords, track_links

__all__ = [name for name in globals() if not name.startswith("_")]
