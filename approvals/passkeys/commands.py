"""Commands and events of passkeys."""

from dataclasses import dataclass
from uuid import UUID

from approvals.people.commands import OnUser
from audit.messages.classes import Command, Event, SubjectOf, generated

ENROL = "approvals.issue_enrolment_code"


@dataclass(frozen=True, kw_only=True)
class RegisterPasskey(Command):
    """Register a passkey of your own, to sign votes with.

    ``attestation`` and ``client_data`` are the response of the browser, in base64url, to a
    challenge over ``nonce``. ``signature`` is made with an earlier passkey of the same person. The
    first one needs none, and that of a policy owner an enrolment code, by ``enrolment_id``.
    """

    message_type = "approvals.register_passkey"
    subject = SubjectOf("passkey", "passkey_id")
    sentence = "Register the passkey {passkey_name}"
    depends_on = ()

    passkey_id: UUID = generated()
    passkey_name: str
    attestation: str
    client_data: str
    nonce: str
    signature: str = ""
    enrolment_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class RemovePasskey(Command):
    """Remove a passkey of your own; it can no longer sign votes."""

    message_type = "approvals.remove_passkey"
    subject = SubjectOf("passkey", "passkey_id")
    sentence = "Remove the {subject}"
    depends_on = ()

    passkey_id: UUID


@dataclass(frozen=True, kw_only=True)
class ResetPasskeys(OnUser):
    """Remove all passkeys of a person, who may then register a first one again."""

    message_type = "approvals.reset_passkeys"
    sentence = "Reset the passkeys of {subject}"
    depends_on = ()


@dataclass(frozen=True, kw_only=True)
class IssueEnrolmentCode(OnUser):
    """Issue a code with which a policy owner registers a first passkey."""

    # No row has this permission, so it cannot be granted.
    message_type = "approvals.issue_enrolment_code"
    required_permission = ENROL
    sentence = "Issue an enrolment code to {subject}"
    depends_on = ()

    enrolment_id: UUID = generated()


@dataclass(frozen=True, kw_only=True)
class _OfPasskey(Event):
    subject = SubjectOf("passkey", "passkey_id")

    passkey_id: UUID
    user_id: int


@dataclass(frozen=True, kw_only=True)
class PasskeyRegistered(_OfPasskey):
    """A person registered a passkey to sign votes with.

    ``signed_with`` is the id of the earlier passkey that signed for it.
    """

    message_type = "approvals.passkey_registered"

    passkey_name: str
    credential_id: str
    public_key: str
    sign_count: int
    signed_with: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class PasskeyRemoved(_OfPasskey):
    """A person removed a passkey."""

    message_type = "approvals.passkey_removed"


@dataclass(frozen=True, kw_only=True)
class PasskeyReset(_OfPasskey):
    """The passkeys of a person were reset, and this one with them."""

    message_type = "approvals.passkey_reset"


@dataclass(frozen=True, kw_only=True)
class EnrolmentCodeIssued(Event):
    """A policy owner may register a first passkey with a code."""

    message_type = "approvals.enrolment_code_issued"
    subject = SubjectOf("user", "user_id")

    user_id: int
    enrolment_id: UUID
