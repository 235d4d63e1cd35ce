"""The context of a dispatch: actor, channel, reason and request, and its results so far."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from audit.actors.actors import ANONYMOUS, Actor
from audit.messages.classes import Event, Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """The recorded facts of the request that a command came with."""

    request_id: str = ""
    traceparent: str = ""
    client_address: str | None = None
    user_agent: str = ""
    #: When the session of the request was signed in or last confirmed; None without a session.
    authenticated_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Context:
    """The actor, channel and reason of a command, and what the bus adds while it runs.

    Callers set the first group of fields. The bus sets the second one before middleware and
    handler get the context. The command runs only if its subject is at ``expected_number``, or at a
    number for which ``accepts`` returns True, if there is either; the bus then expects that number.
    ``accepts`` may raise PreconditionFailed with a message of its own. ``depth`` is the number of
    reactions that led to the command, and ``reaction_to`` the id of the event of the last one.
    A command with ``execute_after`` is refused unless it is held; once approved, it waits until it.
    """

    actor: Actor
    channel: str = "shell"
    reason: str = ""
    request: RequestFacts = RequestFacts()
    idempotency_key: str | None = None
    expected_number: int | None = None
    accepts: Callable[[int], bool] | None = field(default=None, repr=False)
    execute_after: datetime | None = None
    causation_id: UUID | None = None

    command_id: UUID = field(init=False, default_factory=uuid7)
    correlation_id: UUID = field(init=False)
    attempt: int = field(init=False, default=1)
    subject: Subject | None = field(init=False, default=None)
    subject_number: int = field(init=False, default=0)
    tenant: str = field(init=False, default="")
    is_replay: bool = field(init=False, default=False)
    is_batch: bool = field(init=False, default=False)
    depth: int = field(init=False, default=0)
    reaction_to: UUID | None = field(init=False, default=None)
    facts: dict[str, Any] = field(init=False, default_factory=dict)
    decision: dict[str, Any] | None = field(init=False, default=None)
    events: list[Event] = field(init=False, default_factory=list)
    secret: str | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        """Start a case; the bus replaces it by the parent's, if there is one."""
        self.correlation_id = self.command_id
        self.tenant = self.actor.home_tenant()

    def emit(self, event: Event) -> None:
        """Add an event, to be stored with the command in the order of emission."""
        self.events.append(event)

    def reveal(self, secret: str) -> None:
        """Show a new secret to the caller, once: it is in the outcome and not stored."""
        self.secret = secret


_running: ContextVar[Context | None] = ContextVar("audit_context", default=None)


def current_context() -> Context | None:
    """Return the context of the dispatch that this code runs inside, or None."""
    return _running.get()


def outer_context() -> Context:
    """Return the context of the dispatch that this code runs inside.

    :raises RuntimeError: if there is none.
    """
    if outer := current_context():
        return outer
    message = "this is possible only inside a handler"
    raise RuntimeError(message)


@contextmanager
def running(context: Context | None) -> Iterator[None]:
    """Set the current context. For the bus only."""
    token = _running.set(context)
    try:
        yield
    finally:
        _running.reset(token)


def own_copy(context: Context | None) -> Context:
    """Return a copy for one dispatch; callers that share one id have no Idempotency-Key.

    :raises TypeError: if there is no context, so no actor: the system is never assumed.
    """
    if context is None:
        message = "a command needs a context with an actor; management commands use carry_out"
        raise TypeError(message)
    if context.actor.kind == ANONYMOUS.kind:
        return replace(context, idempotency_key=None)
    return replace(context)
