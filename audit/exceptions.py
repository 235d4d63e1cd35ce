"""Why a command was not carried out. Each class is one answer, whatever the caller came through.

CommandError
├── Refused          the command is turned down; final
│   ├── Invalid, Forbidden, NotFound, Conflict
│   ├── PreconditionFailed, IdempotencyKeyReused
│   └── Unregistered, ApprovalRequired, Cancelled
└── Failed           something broke; nothing was changed; may be tried again
    ├── TimedOut, Deadlocked, ConnectionLost, RolledBack, Crashed
    └── OutcomeUnknown   the one case in which something may have changed
"""

import re
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Self, TypeVar
from uuid import UUID

_Kind = TypeVar("_Kind", bound="CommandError")


class FieldError(NamedTuple):
    """One field of a request and what is wrong with it. Never holds the value."""

    field: str
    code: str
    message: str


class CommandError(Exception):
    """A command did not take effect.

    A subclass's docstring is its default message, and its name in snake_case its code, so
    declaring an error is two lines. The bus sets ``command_id``.
    """

    code: ClassVar[str] = "command_error"

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
        """Build the error that a record tells of; of this class if the code is known no more."""
        return next((kind for kind in _subclasses(cls) if kind.code == code), cls)(message)


class Refused(CommandError):
    """The command was refused."""


class Invalid(Refused):
    """The request is not valid."""

    def __init__(self, message: str = "", *, errors: Sequence[FieldError] = ()) -> None:
        if errors and not message:
            message = "; ".join(f"{error.field}: {error.message}" for error in errors)
        super().__init__(message, errors=errors)


class Forbidden(Refused):
    """You are not allowed to do this."""


class NotFound(Refused):
    """There is no such thing, or it is not yours."""


class Conflict(Refused):
    """The command does not fit the present state of its subject."""


class PreconditionFailed(Refused):
    """The subject has changed since you read it: read it again, then decide."""


class IdempotencyKeyReused(Refused):
    """This Idempotency-Key was used for another request: use a new key for a new request."""


class SameAsEarlier(Refused):
    """This was asked for already, by a command that is still open."""


class Unregistered(Refused):
    """Nothing here carries out commands of this type."""


class ApprovalRequired(Refused):
    """A command of this batch needs approval: send it on its own."""


class Cancelled(Refused):
    """The command was called off before it was carried out."""


class Failed(CommandError):
    """The command failed. Nothing was changed."""


class TimedOut(Failed):
    """The database took too long. Nothing was changed: try again, with the same Idempotency-Key."""

    code = "timeout"


class Deadlocked(Failed):
    """Others were changing the same things. Nothing was changed: try again."""


class ConnectionLost(Failed):
    """The connection to the database was lost. Nothing was changed: try again."""


class RolledBack(Failed):
    """What this command did was undone together with the command that it was part of."""


class Crashed(Failed):
    """Something went wrong on our side. Nothing was changed; the failure is in the log."""


class OutcomeUnknown(Failed):
    """The database did not answer: ask for the command by its id before you repeat it."""


def _subclasses(kind: type[_Kind]) -> list[type[_Kind]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _subclasses(child))]
