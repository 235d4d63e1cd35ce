"""System checks: approvals are in the settings, and stored commands have a class."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's

from approvals.decisions.holding import hold_for_approval
from approvals.models import ApprovalRequest, Effect, Policy, State
from approvals.models.states import in_state
from approvals.passkeys.ceremonies import problem_with_address
from approvals.policies import conditions, seals
from approvals.policies.evaluation import governed_by, may_apply
from approvals.requests import listing
from audit.installation.settings import countersign
from audit.messages.classes import Command
from audit.messages.exceptions import Invalid
from audit.reactions.figures import figures
from audit.tracking.protection import is_checked, is_migrated

_UNSEALED = "After an upgrade, run manage.py approvals_seal; otherwise see docs/operations.md."
_MAIL = "approvals.mail"
_LONGEST_LAG = timedelta(minutes=10)
_WORK = "Run manage.py work; the page Subscriptions shows what it does."
_UNKNOWN = "approvals.E001"
_HINT = "Was a command renamed? Keep its old message_type in its aliases."


@register()
def check_gate(**_: Any) -> list[CheckMessage]:
    """Check that the settings include the approval middleware: otherwise nothing is held."""
    gate = f"{hold_for_approval.__module__}.{hold_for_approval.__name__}"
    if gate in countersign().middleware:
        return []
    message = f"MIDDLEWARE in COUNTERSIGN leaves out {gate}: no command would need approval."
    return [Error(message, id="approvals.E003")]


@register(Tags.database)
def check_stored_types(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that every policy and pending request is about a known type of command."""
    if not is_checked(databases) or not is_migrated():
        return []
    return [*_policies(), *_pending_requests()]


@register(Tags.database)
def check_seals(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that every policy and every request is as its last command left it."""
    if not is_checked(databases) or not is_migrated():
        return []
    policies = (Error(p.text, hint=p.remedy, id="approvals.E004") for p in seals.problems())
    requests = (Error(each, hint=_UNSEALED, id="approvals.E005") for each in listing.row_problems())
    return [*policies, *requests]


@register(Tags.database)
def check_address_of_passkeys(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Check that votes can be signed where a policy requires that."""
    problem = problem_with_address()
    if not problem or not is_checked(databases) or not is_migrated():
        return []
    message = f"{problem} So the votes that the {{}} requires cannot be signed."
    return [
        Error(message.format(each), hint="Set BASE_URL, see docs/settings.md.", id="approvals.E007")
        for each in Policy.objects.filter(is_enabled=True, signed_votes=True).order_by("pk")
    ]


@register(Tags.database, deploy=True)
def check_worker(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that a worker runs: web servers send no e-mail, and let no request expire."""
    if not is_checked(databases) or not is_migrated():
        return []
    of_mail = next((each for each in figures() if each.name == _MAIL), None)
    if of_mail is None:
        message = "No worker has run yet: no e-mail is sent, and no request expires."
    elif of_mail.lag > _LONGEST_LAG:
        message = f"E-mail has been waiting to be sent since {of_mail.since:%Y-%m-%d %H:%M} UTC."
    else:
        return []
    return [Warning(message, hint=_WORK, id="approvals.W001")]


def _policies() -> Iterator[CheckMessage]:
    for policy in Policy.objects.filter(is_enabled=True):
        governed = governed_by(policy.governs)
        if not governed:
            yield Error(f"The {policy} governs no command.", hint=_HINT, id=_UNKNOWN)
        elif policy.effect == Effect.REQUIRE_APPROVAL and any(
            each.always_withheld() for each in governed
        ):
            message = f"The {policy} governs a command with a secret, which cannot be held."
            yield Error(message, hint="Disable the policy.", id="approvals.E002")
        elif policy.condition:
            yield from _condition(policy, governed)


def _condition(policy: Policy, governed: list[type[Command]]) -> Iterator[CheckMessage]:
    try:
        conditions.check(
            policy.condition, [each for each in governed if may_apply(policy.effect, each)]
        )
    except Invalid as error:
        message = f"The condition of the {policy} fails, which refuses its commands: {error}"
        yield Error(message, hint="Edit the policy, or disable it.", id="approvals.E006")


def _pending_requests() -> Iterator[CheckMessage]:
    pending = ApprovalRequest.objects.filter(in_state(State.PENDING))
    for message_type in pending.values_list("message_type", flat=True).distinct():
        if not governed_by(message_type):
            message = f"Requests wait for approval of {message_type}, which no command has."
            yield Error(message, hint=_HINT, id=_UNKNOWN)
