"""The displayed effect of a decision, compared with the effect that it would have now."""

from approvals.decisions import commands, events
from approvals.models import ApprovalRequest
from approvals.models.refusals import EffectChanged
from approvals.requests import effects
from audit.messages.characters import actor_name
from audit.messages.outcomes import Completed, ReplayOutcome, ReplayRefused
from audit.models.records import CommandRecord, EventRecord
from audit.pages.safe_text import one_line

_LONGEST_LABEL = 160
_MOST_SENTENCES = 5
_UNEXPLAINED = "What the request needs has changed."
_MEANWHILE = {
    events.Approved.message_type: "approved",
    events.VoteTakenBack.message_type: "took back a vote",
    events.Settled.message_type: "retried it",
}
_DECISIONS: dict[type[commands.Decision], str] = {
    commands.Approve: "vote",
    commands.Deny: "denial",
    commands.RequestChanges: "decision",
    commands.TakeBack: "decision",
    commands.Retry: "retry",
    commands.Withdraw: "withdrawal",
}


def check(
    decision: commands.Decision,
    effect: str,
    *,
    request: ApprovalRequest,
) -> None:
    """Check that a decision has the effect that was displayed; without one, any is accepted.

    The effect decides, not the displayed number: an event that leaves the effect as it was, such as
    a comment, does not stop the decision. From the number follows which events are new to the
    person who decides.

    :raises EffectChanged: if another effect was displayed.
    """
    if decision.expected_effect in ("", effect):
        return
    meanwhile = _meanwhile(request, after=decision.number) or [_UNEXPLAINED]
    words = f"Your {_DECISIONS[type(decision)]} would now {effects.in_words(effect)}."
    raise _changed(words, meanwhile=meanwhile)


def check_execution(
    decision: commands.Decision, result: ReplayOutcome, *, request: ApprovalRequest
) -> None:
    """Check that an execution had the result that was displayed; a failure was never displayed.

    :raises EffectChanged: if not, which undoes the execution.
    """
    match result:
        case Completed():
            check(decision, effects.EXECUTES, request=request)
        case ReplayRefused(error=error) if decision.expected_effect == effects.EXECUTES:
            words = f"The execution would now be refused: {error.message}"
            raise _changed(words, meanwhile=_meanwhile(request, after=decision.number))
        case _:
            return


def _changed(words: str, *, meanwhile: list[str]) -> EffectChanged:
    """Return the refusal of a decision that would now do something else."""
    return EffectChanged(" ".join([*meanwhile, words, "Nothing was decided."]))


def _meanwhile(request: ApprovalRequest, *, after: int | None) -> list[str]:
    """Return who did what to the request since the event with this number."""
    found = [] if after is None else _events(request, after=after)
    records = CommandRecord.objects.filter(command_id__in=[each.command_id for each in found])
    labels = dict(records.values_list("command_id", "actor_label"))
    return [
        f"{one_line(actor_name(labels[each.command_id]), longest=_LONGEST_LABEL)} "
        f"{_MEANWHILE[each.message_type]} meanwhile."
        for each in found
    ]


def _events(request: ApprovalRequest, *, after: int) -> list[EventRecord]:
    found = EventRecord.objects.filter(
        subject_type="approval-request",
        subject_id=str(request.pk),
        number__gt=after,
        message_type__in=_MEANWHILE,
    )
    return list(found.order_by("-number")[:_MOST_SENTENCES])[::-1]
