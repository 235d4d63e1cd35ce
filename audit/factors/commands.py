"""The commands and events of second factors, and the base classes of all those of accounts."""

from dataclasses import dataclass
from uuid import UUID

from audit.messages.classes import Command, Event, SubjectOf, secret


@dataclass(frozen=True, kw_only=True)
class OnAccount(Command):
    """A command of a person on their own account."""

    subject = SubjectOf("account", "user_id")

    user_id: int


@dataclass(frozen=True, kw_only=True)
class OfAccount(Event):
    """An event of a person's account."""

    subject = SubjectOf("account", "user_id")

    user_id: int
    username: str


@dataclass(frozen=True, kw_only=True)
class SetUpSecondFactor(OnAccount):
    """Set up an authenticator app as the second factor.

    It is refused if there is one already, unless the new one ``replaces`` it.
    """

    message_type = "people.set_up_second_factor"

    key: str = secret()
    code: str = secret()
    replaces: bool = False


@dataclass(frozen=True, kw_only=True)
class BeginSignIn(OnAccount):
    """Begin to sign in, with the password. The second factor completes it."""

    message_type = "people.begin_sign_in"


@dataclass(frozen=True, kw_only=True)
class VerifySecondFactor(OnAccount):
    """Verify a code of the authenticator app, or a recovery code; either is valid once."""

    message_type = "people.verify_second_factor"

    code: str = secret()


@dataclass(frozen=True, kw_only=True)
class VerifyPasskey(OnAccount):
    """Verify a passkey as the second factor.

    ``response`` is that of the browser to a challenge of the ``purpose`` and ``nonce``.
    """

    message_type = "people.verify_passkey"

    purpose: str
    nonce: str = secret()
    response: str = secret()


@dataclass(frozen=True, kw_only=True)
class RecordThrottledSecondFactor(OnAccount):
    """Record that there were too many wrong codes or invalid passkeys."""

    message_type = "people.record_throttled_second_factor"


@dataclass(frozen=True, kw_only=True)
class RemoveSecondFactor(OnAccount):
    """Remove one's own second factor."""

    message_type = "people.remove_second_factor"


@dataclass(frozen=True, kw_only=True)
class SecondFactorSetUp(OfAccount):
    """A person has set up an authenticator app, with recovery codes.

    ``replaced``: an earlier app and its codes are no longer valid.
    """

    message_type = "people.second_factor_set_up"

    replaced: bool = False


@dataclass(frozen=True, kw_only=True)
class SignInBegun(OfAccount):
    """The password was right, and the second factor is required to complete the sign-in."""

    message_type = "people.sign_in_begun"


@dataclass(frozen=True, kw_only=True)
class SecondFactorUsed(OfAccount):
    """A person has used their authenticator app."""

    message_type = "people.second_factor_used"


@dataclass(frozen=True, kw_only=True)
class RecoveryCodeUsed(OfAccount):
    """A person has used one of their recovery codes. ``left`` is the number of the others."""

    message_type = "people.recovery_code_used"

    left: int


@dataclass(frozen=True, kw_only=True)
class PasskeyUsed(OfAccount):
    """A person has used a passkey as their second factor."""

    message_type = "people.passkey_used"

    passkey_id: UUID


@dataclass(frozen=True, kw_only=True)
class SecondFactorFailed(OfAccount):
    """The code or passkey of a second factor was wrong, or was used before."""

    message_type = "people.second_factor_failed"


@dataclass(frozen=True, kw_only=True)
class SecondFactorThrottled(OfAccount):
    """There were too many wrong codes or passkeys: further ones are refused for a while."""

    message_type = "people.second_factor_throttled"


@dataclass(frozen=True, kw_only=True)
class SecondFactorRemoved(OfAccount):
    """A person no longer has a second factor."""

    message_type = "people.second_factor_removed"
