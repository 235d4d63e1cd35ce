"""Reasons why a command was not executed. Each class is one error, the same in every channel.

CommandError
├── Refused          the command is refused; final
│   ├── Invalid, Forbidden, NotFound, Conflict
│   ├── PreconditionFailed, IdempotencyKeyReused
│   └── Unregistered, ApprovalRequired, TooManyReactions, Cancelled
└── Failed           an error in execution; nothing was changed; may be retried
    ├── TimedOut, Deadlocked, ConnectionLost, RolledBack, Crashed
    └── OutcomeUnknown   the only error after which something may have changed
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar, NamedTuple, Self, TypeVar
from uuid import UUID

_Kind = TypeVar("_Kind", bound=Exception)


class Place(StrEnum):
    """The part of a request that a field is in; the values are the names in problem details."""

    BODY = "pointer"
    PARAMETER = "parameter"
    HEADER = "header"


class FieldError(NamedTuple):
    """One field of a request and the error in it, without the field's value.

    In a body the field is a path: names and indexes separated by slashes, escaped as in RFC 6901.
    """

    field: str
    code: str
    message: str
    place: Place = Place.BODY


def escaped(name: object) -> str:
    """Return the name of a field, escaped for a path."""
    return str(name).replace("~", "~0").replace("/", "~1")


class CommandError(Exception):
    """A command did not take effect.

    The first line of a subclass's docstring is its default message, and its name in snake_case is
    its code. The bus sets ``command_id``, and ``is_repeat`` if this is the outcome of an earlier
    request with the same Idempotency-Key. ``title`` is the title of the problem, if the code in
    words would be unclear. ``remedy`` is a sentence of advice to the caller; a subclass
    overrides it if the inherited one is not the best advice.
    """

    code: ClassVar[str] = "command_error"
    title: ClassVar[str] = ""
    remedy: ClassVar[str] = "Look up the command by its id to see its outcome."

    def __init__(self, message: str = "", *, errors: Sequence[FieldError] = ()) -> None:
        self.message = message or (type(self).__doc__ or self.code).strip().splitlines()[0]
        self.errors = tuple(errors)
        self.command_id: UUID | None = None
        self.is_repeat = False
        super().__init__(self.message)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in vars(cls):
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def from_record(cls, code: str, message: str) -> Self:
        """Build the recorded error; of this class if its code is no longer known."""
        return next((kind for kind in with_subclasses(cls) if kind.code == code), cls)(message)


class Refused(CommandError):
    """The command was refused."""

    remedy = "Read the detail: the command will be refused until its cause has changed."


class Invalid(Refused):
    """The request is not valid."""

    remedy = "Fix the fields listed in “errors”, then send the request again."

    def __init__(self, message: str = "", *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message or joined(errors), errors=errors)

    def rename_fields(self, names: Mapping[str, str]) -> None:
        """Replace names of the command's fields with those that the caller uses."""
        is_made_of_errors = self.message == joined(self.errors)
        self.errors = tuple(
            error._replace(field=names.get(error.field, error.field)) for error in self.errors
        )
        if is_made_of_errors:
            self.message = joined(self.errors)


class Forbidden(Refused):
    """You are not allowed to do this."""

    remedy = "Ask an administrator for the permission, or ask a user who has it to do this."


class NotFound(Refused):
    """It does not exist, or you have no access."""

    remedy = "Check the ids against a list of what you can access."


class Conflict(Refused):
    """The subject's current state does not allow this command."""

    remedy = "Read the subject again: it may already be in that state."


class PreconditionFailed(Refused):
    """The subject has changed since you read it: read it again, then decide."""

    remedy = "Read the subject again, and repeat the command with the new ETag if it still applies."


class IdempotencyKeyReused(Refused):
    """This Idempotency-Key was used for another request: use a new key for a new request."""

    remedy = "Use a new Idempotency-Key for a new request; with the old key, send the old body."


class SameAsEarlier(Refused):
    """An earlier, open command already requested this."""

    title = "Already requested"
    remedy = "Follow the earlier command: the response to this one names it."


class Unregistered(Refused):
    """This service does not execute commands of this type."""

    remedy = "Check the command type against the documentation of this version."


class ApprovalRequired(Refused):
    """A command of this batch needs approval: send it separately."""

    remedy = "Send each command separately: those that need approval will be held."


class TooManyReactions(Refused):
    """This is the 33rd command in a chain of reactions, which looks like a loop."""

    remedy = "Look at the case of the command: a process reacts to what it causes itself."


class Cancelled(Refused):
    """The command was cancelled before execution."""

    remedy = "Send it again, as a new command, if it is still needed."


class Failed(CommandError):
    """The command failed. Nothing was changed."""

    remedy = "Repeat the request with the same Idempotency-Key, after Retry-After seconds."


class TimedOut(Failed):
    """The database took too long. Nothing was changed: try again, with the same Idempotency-Key."""

    code = "timeout"


class Deadlocked(Failed):
    """Concurrent changes to the same data. Nothing was changed: try again."""


class ConnectionLost(Failed):
    """The connection to the database was lost. Nothing was changed: try again."""


class RolledBack(Failed):
    """This command was rolled back with the command that it was part of."""

    remedy = "Look up the command that this one was part of, and repeat that command."


class Crashed(Failed):
    """An unexpected error occurred on our side. Nothing was changed; the failure is logged."""

    remedy = "Try again later. If it persists, send us the command id."


class OutcomeUnknown(Failed):
    """The database did not respond: look up the command by its id before you repeat it."""

    remedy = "Look up the command by its id, and repeat it only if it does not exist."


def joined(errors: Iterable[FieldError]) -> str:
    """Return the errors as one text, each with its field, if it has one."""
    return "; ".join(": ".join(filter(None, [each.field, each.message])) for each in errors)


def with_subclasses(kind: type[_Kind]) -> list[type[_Kind]]:
    """Return a class of errors and all classes that inherit from it."""
    return [kind, *(each for child in kind.__subclasses__() for each in with_subclasses(child))]
