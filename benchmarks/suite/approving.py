"""A command that is held and then approved, beside one that is not held."""

import statistics
from secrets import token_urlsafe
from typing import Any

from django.contrib.auth.models import Group, Permission, User

from apikeys.commands import AddMember, DisableApiKey, EnableApiKey
from apikeys.models import ApiKey
from approvals.decisions.commands import Approve
from approvals.models import ApprovalRequest, Policy, Rule
from audit.actors.actors import actor_for_user
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.entry.shell import carry_out
from audit.outside import outside_command
from benchmarks.suite.measuring import Measuring
from benchmarks.suite.progress import Progress
from benchmarks.suite.results import Figures, Goal, Result
from benchmarks.suite.timing import milliseconds

_UNGATED = "one ungated dispatch, as so many times its duration"
_WARM_UP = 10


def held(measuring: Measuring) -> list[Result]:
    """Disable a key, which is not held; enable it, which is; and cast the vote that releases it."""
    times = _times(measuring)
    ungated, waiting, vote = (
        Figures.of(name, [1000 / statistics.median(each)], each) for name, each in times.items()
    )
    return [
        Result(
            row="held",
            goal=Goal(what, _UNGATED, goal, least, "less"),
            measured=figures.median_ms / ungated.median_ms,
            sides=[figures, ungated],
        )
        for what, figures, goal, least in (
            ("held command (202)", waiting, 2.0, 3.0),
            ("final vote + replay", vote, 2.5, 4.0),
        )
    ]


def _times(measuring: Measuring) -> dict[str, list[float]]:
    key = ApiKey.objects.select_related("owner").get(pk=measuring.stage.spare[2])
    requester = actor_for_user(key.owner)
    approver = actor_for_user(_approver(key))
    times: dict[str, list[float]] = {"ungated": [], "held": [], "vote": []}

    def send(command: Any, actor: Any = requester) -> Any:
        return dispatch(command, context=Context(actor=actor, channel="benchmark", reason="m"))

    repeats = measuring.repeats // 4
    progress = Progress("held commands", total=repeats)
    _govern("apikeys.enable")
    for repeat in range(-_WARM_UP, repeats):
        ungated = milliseconds(lambda: send(DisableApiKey(api_key_id=key.pk)))
        waiting = milliseconds(lambda: send(EnableApiKey(api_key_id=key.pk)))
        request = ApprovalRequest.objects.latest("requested_at")
        approval = Approve(approval_request_id=request.pk, digest=request.digest)
        vote = milliseconds(lambda command=approval: send(command, approver))
        if repeat >= 0:
            for name, taken in zip(times, (ungated, waiting, vote), strict=True):
                times[name].append(taken)
            progress.tell(repeat + 1)
    return times


def _govern(message_type: str) -> None:
    with outside_command("A policy to measure with"):
        policy = Policy.objects.create(governs=message_type, effect="require_approval")
        Rule.objects.create(policy=policy, group=Group.objects.get(name="Security"), quorum=1)
        policy.seal()


def _approver(key: Any) -> User:
    person = User.objects.create_user("ann", password=token_urlsafe(), is_staff=True)
    person.user_permissions.set(Permission.objects.filter(content_type__app_label="approvals"))
    Group.objects.create(name="Security").user_set.add(person)
    carry_out(AddMember(customer_id=key.customer_id, user_id=person.pk), reason="for a benchmark")
    return person
