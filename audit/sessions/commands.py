"""The commands and events of signing in and out.

Their subject is the account, not the user: a sign-in must not make a request to change the user out
of date.
"""

from dataclasses import dataclass

from audit.factors.commands import OfAccount, OnAccount
from audit.messages.classes import secret


@dataclass(frozen=True, kw_only=True)
class SignIn(OnAccount):
    """Sign in."""

    message_type = "people.sign_in"


@dataclass(frozen=True, kw_only=True)
class SignOut(OnAccount):
    """Sign out."""

    message_type = "people.sign_out"


@dataclass(frozen=True, kw_only=True)
class ChangePassword(OnAccount):
    """Change one's own password. ``former_hash`` is that of the password that was checked."""

    message_type = "people.change_password"

    password: str = secret()
    former_hash: str = secret(default="")


@dataclass(frozen=True, kw_only=True)
class RecordFailedPasswordChange(OnAccount):
    """Record that a person gave a wrong old password when changing their own."""

    message_type = "people.record_failed_password_change"

    is_throttled: bool = False


@dataclass(frozen=True, kw_only=True)
class RecordFailedSignIn(OnAccount):
    """Record a sign-in that failed. ``user_id`` is 0 if there is no such account."""

    message_type = "people.record_failed_sign_in"
    required_permission = "audit.record_failed_sign_in"
    # So that the auditors of the account's customer see it.
    tenant_field = "tenant"

    username: str = ""
    tenant: str = ""
    is_throttled: bool = False


@dataclass(frozen=True, kw_only=True)
class SignedIn(OfAccount):
    """A person signed in."""

    message_type = "people.signed_in"


@dataclass(frozen=True, kw_only=True)
class SignedOut(OfAccount):
    """A person signed out."""

    message_type = "people.signed_out"


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(OfAccount):
    """A person changed the password of their account."""

    message_type = "people.password_changed"


@dataclass(frozen=True, kw_only=True)
class PasswordChangeFailed(OfAccount):
    """A person did not change the password of their account: the old password was wrong."""

    message_type = "people.password_change_failed"


@dataclass(frozen=True, kw_only=True)
class PasswordChangeThrottled(OfAccount):
    """There were too many wrong old passwords: further ones are refused for a while."""

    message_type = "people.password_change_throttled"


@dataclass(frozen=True, kw_only=True)
class SignInFailed(OfAccount):
    """A sign-in failed: there is no such active account, or the password was wrong."""

    message_type = "people.sign_in_failed"


@dataclass(frozen=True, kw_only=True)
class SignInThrottled(OfAccount):
    """There were too many attempts to sign in: further ones are refused for a while."""

    message_type = "people.sign_in_throttled"


@dataclass(frozen=True, kw_only=True)
class ConfirmSignIn(OnAccount):
    """Confirm one's sign-in with the password or second factor."""

    message_type = "people.confirm_sign_in"


@dataclass(frozen=True, kw_only=True)
class RecordFailedConfirmation(OnAccount):
    """Record a wrong password to confirm a sign-in, or a change of a factor or passkey."""

    message_type = "people.record_failed_confirmation"

    is_throttled: bool = False


@dataclass(frozen=True, kw_only=True)
class SignInConfirmed(OfAccount):
    """A person has confirmed their sign-in."""

    message_type = "people.sign_in_confirmed"


@dataclass(frozen=True, kw_only=True)
class ConfirmationFailed(OfAccount):
    """The password to confirm a sign-in, or a change of a factor or passkey, was wrong."""

    message_type = "people.confirmation_failed"


@dataclass(frozen=True, kw_only=True)
class ConfirmationThrottled(OfAccount):
    """There were too many wrong passwords: further ones are refused for a while."""

    message_type = "people.confirmation_throttled"
