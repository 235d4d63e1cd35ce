"""Handlers of commands on passkeys."""

from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from approvals.passkeys import ceremonies, commands, enrolment, listing, signing
from approvals.passkeys.ceremonies import Signature
from approvals.passkeys.models import Passkey, PasskeyCounter
from approvals.people import accounts
from approvals.people.handlers import NothingToChange
from audit.bus.context import Context
from audit.bus.handling import handles, precondition
from audit.messages.exceptions import Conflict, FieldError, Forbidden, Invalid

LONGEST_NAME = 60
_MOST = 20


class OwnPasskeysOnly(Forbidden):
    """Only people have passkeys, and only their own: API keys and services have none."""

    remedy = "Sign in as a person."


class AlreadyRegistered(Conflict):
    """This passkey was registered before."""

    remedy = "Register another passkey, or none."


class AlreadyRemoved(Conflict):
    """The passkey was already removed."""

    remedy = "No action is needed."


class ResetRequired(Forbidden):
    """You removed all your passkeys: the policy owners have to reset them first."""

    title = "Reset required"
    remedy = "Ask the policy owners to reset your passkeys."


class CodeRequired(Forbidden):
    """The first passkey of a policy owner needs a valid enrolment code."""

    title = "Enrolment code required"
    remedy = "Ask an operator for one: manage.py approvals_enrol issues it."


@handles(commands.RegisterPasskey)
def register_passkey(command: commands.RegisterPasskey, context: Context) -> Passkey:
    user = _locked_person(context)
    _check_name(command.passkey_name)
    challenge = signing.registration_challenge(person_id=user.pk, nonce=command.nonce)
    registered = ceremonies.verify_registration(
        attestation=command.attestation, client_data=command.client_data, challenge=challenge
    )
    if Passkey.objects.filter(credential_id=registered.credential_id).exists():
        raise AlreadyRegistered
    signed_with = _check_may_register(command, user.pk)
    passkey = Passkey(
        pk=command.passkey_id,
        user=user,
        user_label=context.actor.label,
        name=command.passkey_name,
        credential_id=registered.credential_id,
        public_key=registered.public_key,
        sign_count=registered.sign_count,
        command_id=context.command_id,
    )
    passkey.sign()
    passkey.save(force_insert=True)
    PasskeyCounter.objects.create(
        passkey=passkey, sign_count=passkey.sign_count, used_at=timezone.now()
    )
    context.emit(
        commands.PasskeyRegistered(
            passkey_id=passkey.pk,
            user_id=user.pk,
            passkey_name=passkey.name,
            credential_id=passkey.credential_id,
            public_key=passkey.public_key,
            sign_count=passkey.sign_count,
            signed_with=signed_with,
        )
    )
    return passkey


@handles(commands.RemovePasskey)
def remove_passkey(command: commands.RemovePasskey, context: Context) -> None:
    user = _locked_person(context)
    passkey = listing.passkeys().get(pk=command.passkey_id, user=user)
    if passkey.ended_at is not None:
        raise AlreadyRemoved
    context.emit(commands.PasskeyRemoved(passkey_id=passkey.pk, user_id=user.pk))


@handles(commands.ResetPasskeys)
def reset_passkeys(command: commands.ResetPasskeys, context: Context) -> None:
    accounts.locked_user(command.user_id)
    check_can_be_reset(command, context)
    for each in listing.passkeys().filter(user=command.user_id).order_by("pk"):
        if not each.is_reset:
            context.emit(commands.PasskeyReset(passkey_id=each.pk, user_id=command.user_id))


@precondition(commands.ResetPasskeys)
def check_can_be_reset(command: commands.ResetPasskeys, context: Context) -> None:
    """Refuse early what would be refused on execution.

    :raises NothingToChange: if the person has no passkeys.
    """
    if not listing.passkeys().filter(user=command.user_id, is_reset=False).exists():
        raise NothingToChange


@handles(commands.IssueEnrolmentCode)
def issue_enrolment_code(command: commands.IssueEnrolmentCode, context: Context) -> None:
    user = accounts.locked_user(command.user_id)
    if not enrolment.is_owner(user.pk):
        raise Conflict("Only policy owners need an enrolment code.")
    if Passkey.objects.filter(user=user).exists():
        raise Conflict("This person has registered a passkey before.")
    context.emit(commands.EnrolmentCodeIssued(user_id=user.pk, enrolment_id=command.enrolment_id))


def _locked_person(context: Context) -> User:
    if context.actor.kind != "user":
        raise OwnPasskeysOnly
    return accounts.locked_user(int(context.actor.person_id))


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > LONGEST_NAME:
        message = f"must have 1 to {LONGEST_NAME} characters"
        raise Invalid(errors=[FieldError("passkey_name", "invalid", message)])


def _check_may_register(command: commands.RegisterPasskey, person_id: int) -> UUID | None:
    """Check that a person may register a passkey; return the id of the one that signed for it.

    :raises Forbidden: with the reason, if not.
    """
    known = listing.of_person(person_id)
    if not known:
        _check_enrolment(command, person_id)
        return None
    current = listing.without_ended(known)
    if not current:
        raise ResetRequired
    if len(current) >= _MOST:
        raise Conflict(f"A person has at most {_MOST} passkeys.")
    challenge = signing.addition_challenge(
        person_id=person_id, nonce=command.nonce, attestation=command.attestation
    )
    signature = Signature.read(command.signature)
    return signing.use(signature, person_id=person_id, challenge=challenge).pk


def _check_enrolment(command: commands.RegisterPasskey, person_id: int) -> None:
    if not enrolment.is_required(person_id):
        return
    if command.enrolment_id is None or command.enrolment_id != enrolment.current_enrolment(
        person_id
    ):
        raise CodeRequired
