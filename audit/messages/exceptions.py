"""Reasons why a command was not executed. Each class is one error, the same in every channel.

CommandError
├── Refused          the command is refused; final
│   ├── Invalid, Forbidden, NotFound, Conflict
│   ├── PreconditionFailed, IdempotencyKeyReused
│   └── Unregistered, ApprovalRequired, Cancelled
└── Failed           an error in execution; nothing was changed; may be retried
    ├── TimedOut, Deadlocked, ConnectionLost, RolledBack, Crashed
    └── OutcomeUnknown   the only error after which something may have changed
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar, NamedTuple, Self, TypeVar
from uuid import UUID

_Kind = TypeVar("_Kind", bound="CommandError")


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
    its code. The bus sets ``command_id``. ``remedy`` is a sentence that tells the caller what to
    do; a subclass overrides it if the inherited one is not the best advice.
    """

    code: ClassVar[str] = "command_error"
    remedy: ClassVar[str] = "Ask for the command by its id: what it came to is on record."

    def __init__(self, message: str = "", *, errors: Sequence[FieldError] = ()) -> None:
        self.message = message or (type(self).__doc__ or self.code).strip().splitlines()[0]
        self.errors = tuple(errors)
        self.command_id: UUID | None = None
        super().__init__(self.message)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in vars(cls):
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @classmethod
    def from_record(cls, code: str, message: str) -> Self:
        """Build the recorded error; of this class if its code is no longer known."""
        return next((kind for kind in _subclasses(cls) if kind.code == code), cls)(message)


class Refused(CommandError):
    """The command was refused."""

    remedy = "Read the detail: the command is refused again until what it tells of has changed."


class Invalid(Refused):
    """The request is not valid."""

    remedy = "Mend what “errors” lists, each with its place in the request, and send it again."

    def __init__(self, message: str = "", *, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(message or _joined(errors), errors=errors)

    def rename_fields(self, names: Mapping[str, str]) -> None:
        """Replace names of the command's fields with those that the caller uses."""
        is_made_of_errors = self.message == _joined(self.errors)
        self.errors = tuple(
            error._replace(field=names.get(error.field, error.field)) for error in self.errors
        )
        if is_made_of_errors:
            self.message = _joined(self.errors)


class Forbidden(Refused):
    """You are not allowed to do this."""

    remedy = "Ask an administrator for the permission, or somebody who has it to do this."


class NotFound(Refused):
    """There is no such thing, or it is not yours."""

    remedy = "Compare the ids that you sent with a list of what is yours to see."


class Conflict(Refused):
    """The command does not fit the present state of its subject."""

    remedy = "Read what you are about to change again: it may be so already."


class PreconditionFailed(Refused):
    """The subject has changed since you read it: read it again, then decide."""

    remedy = "Read the subject again, and repeat the command with the new ETag if you mean it."


class IdempotencyKeyReused(Refused):
    """This Idempotency-Key was used for another request: use a new key for a new request."""

    remedy = "Use a new Idempotency-Key for a new request, and the old body with the old key."


class SameAsEarlier(Refused):
    """This was asked for already, by a command that is still open."""

    remedy = "Follow the earlier command, which the detail names."


class Unregistered(Refused):
    """Nothing here carries out commands of this type."""

    remedy = "Compare the type of command with the documentation of this version."


class ApprovalRequired(Refused):
    """A command of this batch needs approval: send it on its own."""

    remedy = "Send each command on its own: those that need approval will be held."


class Cancelled(Refused):
    """The command was called off before it was carried out."""

    remedy = "Ask for it again, as a new command, if it is still needed."


class Failed(CommandError):
    """The command failed. Nothing was changed."""

    remedy = "Repeat the request under the same Idempotency-Key, after Retry-After seconds."


class TimedOut(Failed):
    """The database took too long. Nothing was changed: try again, with the same Idempotency-Key."""

    code = "timeout"


class Deadlocked(Failed):
    """Others were changing the same things. Nothing was changed: try again."""


class ConnectionLost(Failed):
    """The connection to the database was lost. Nothing was changed: try again."""


class RolledBack(Failed):
    """What this command did was undone together with the command that it was part of."""

    remedy = "Look at the command that this one was part of, and repeat that one."


class Crashed(Failed):
    """Something went wrong on our side. Nothing was changed; the failure is in the log."""

    remedy = "Try again later; if it stays, tell us the id of the command."


class OutcomeUnknown(Failed):
    """The database did not answer: ask for the command by its id before you repeat it."""

    remedy = "Ask for the command by its id, and repeat it only if it is not there."


def _joined(errors: Iterable[FieldError]) -> str:
    return "; ".join(f"{error.field}: {error.message}" for error in errors)


def _subclasses(kind: type[_Kind]) -> list[type[_Kind]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _subclasses(child))]
