"""The handlers of the commands on second factors.

A wrong code or passkey is not a refusal but a result, so that the log has it as an event.
"""

import base64
from uuid import UUID

from audit.bus.context import Context
from audit.bus.handling import handles
from audit.factors import commands
from audit.factors.models import Authenticator
from audit.factors.passkeys import Challenge, passkeys
from audit.factors.requirement import has_any
from audit.installation import users
from audit.messages.exceptions import Conflict, NotFound


class NoSecondFactor(NotFound):
    """The person has no second factor."""


class AlreadySetUp(Conflict):
    """The person already has a second factor."""

    title = "Second factor already set up"
    remedy = "Sign in with it, or ask an administrator to reset it."


@handles(commands.SetUpSecondFactor)
def set_up_second_factor(command: commands.SetUpSecondFactor, context: Context) -> bool:
    key = base64.b32decode(command.key)
    # Of two at the same time, the second one waits here and replaces the first.
    users.manager().select_for_update().get(pk=command.user_id)
    if not command.replaces and has_any(command.user_id):
        raise AlreadySetUp
    replaced = Authenticator.of(command.user_id) is not None
    codes = Authenticator.replace(command.user_id, key=key, code=command.code)
    if codes is None:
        context.emit(
            commands.SecondFactorFailed(user_id=command.user_id, username=context.actor.label)
        )
        return False
    context.reveal("\n".join(codes))
    context.emit(
        commands.SecondFactorSetUp(
            user_id=command.user_id, username=context.actor.label, replaced=replaced
        )
    )
    return True


@handles(commands.BeginSignIn)
def begin_sign_in(command: commands.BeginSignIn, context: Context) -> None:
    context.emit(commands.SignInBegun(user_id=command.user_id, username=context.actor.label))


@handles(commands.VerifySecondFactor)
def verify_second_factor(command: commands.VerifySecondFactor, context: Context) -> bool:
    authenticator = Authenticator.locked(command.user_id)
    if authenticator and authenticator.use_code(command.code):
        context.emit(
            commands.SecondFactorUsed(user_id=command.user_id, username=context.actor.label)
        )
        return True
    if authenticator and authenticator.use_recovery_code(command.code):
        left = authenticator.recovery_codes_left()
        context.emit(
            commands.RecoveryCodeUsed(
                user_id=command.user_id, username=context.actor.label, left=left
            )
        )
        return True
    context.emit(commands.SecondFactorFailed(user_id=command.user_id, username=context.actor.label))
    return False


@handles(commands.VerifyPasskey)
def verify_passkey(command: commands.VerifyPasskey, context: Context) -> UUID | None:
    user_id, username = command.user_id, context.actor.label
    challenge = Challenge(user_id=user_id, purpose=command.purpose, nonce=command.nonce)
    used = passkeys().use(command.response, challenge=challenge)
    if used is None:
        context.emit(commands.SecondFactorFailed(user_id=user_id, username=username))
    else:
        context.emit(commands.PasskeyUsed(user_id=user_id, username=username, passkey_id=used))
    return used


@handles(commands.RecordThrottledSecondFactor)
def record_throttled_second_factor(
    command: commands.RecordThrottledSecondFactor, context: Context
) -> None:
    context.emit(
        commands.SecondFactorThrottled(user_id=command.user_id, username=context.actor.label)
    )


@handles(commands.RemoveSecondFactor)
def remove_second_factor(command: commands.RemoveSecondFactor, context: Context) -> None:
    if not Authenticator.remove(command.user_id):
        raise NoSecondFactor
    context.emit(
        commands.SecondFactorRemoved(user_id=command.user_id, username=context.actor.label)
    )
