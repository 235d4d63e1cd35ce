"""Simulation of a policy before it is proposed, or explanation of one command."""

from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.models import Effect
from approvals.policies.commands import CreatePolicy
from approvals.policies.explanations import explain_all
from approvals.policies.handlers import check_policy
from approvals.policies.simulation import simulate
from audit.messages.exceptions import Invalid
from audit.models.records import CommandRecord

_SHOWN = 10
_SECONDS = 60


class Command(BaseCommand):
    """A run of a draft over the last commands, or an explanation of the policies on one."""

    help = "Simulate a draft policy on logged commands, or explain one command (--explain ID)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--governs", help="A message type, or a prefix such as apikeys.*.")
        parser.add_argument("--condition", default="", help="The condition, in CEL.")
        parser.add_argument(
            "--effect",
            choices=Effect.values,
            default=Effect.REQUIRE_APPROVAL,
            help="The effect on matching commands. Default: require_approval.",
        )
        parser.add_argument(
            "--rule",
            action="append",
            default=[],
            metavar="GROUP:QUORUM",
            help="A group of approvers and its quorum; repeat for each.",
        )
        parser.add_argument(
            "--tenant", default="", help="The id of a tenant. Default: every tenant."
        )
        parser.add_argument(
            "--last",
            type=int,
            default=1000,
            help="The number of commands to evaluate. Default: 1000.",
        )
        parser.add_argument(
            "--explain",
            type=UUID,
            metavar="COMMAND_ID",
            help="The id of a logged command to explain, instead of a simulation.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["explain"]:
            self._explain(options["explain"])
        elif options["governs"]:
            self._simulate(_draft(options), last=options["last"])
        else:
            raise CommandError("Specify --governs for a draft, or --explain with a command id.")

    def _simulate(self, draft: CreatePolicy, *, last: int) -> None:
        records = CommandRecord.objects.filter(attempt=1).order_by("-position")[:last]
        result = simulate(draft, records.iterator(), seconds=_SECONDS)
        verb = {"allow": "allowed", "forbid": "forbidden"}.get(draft.effect, "held")
        write = self.stdout.write
        write(f"Of the last {result.looked_at} commands, {len(result.matched)} would be {verb}.")
        if result.is_cut_short:
            write(f"  The time was used up: {result.given - result.looked_at} were not evaluated.")
        for label, count in result.by_requester[:_SHOWN]:
            write(f"  {count:6}  {label}")
        for record in result.unsatisfiable[:_SHOWN]:
            write(f"  could not be approved: {record.message_type} of {record.actor_label}")
        for record, why in result.not_evaluable[:_SHOWN]:
            write(f"  would be refused: {record.message_type} {record.command_id}: {why}")

    def _explain(self, command_id: UUID) -> None:
        record = CommandRecord.objects.filter(command_id=command_id).order_by("attempt").first()
        if record is None:
            raise CommandError(f"There is no command {command_id}.")
        decided = (record.decision or {}).get("effect", "no policy applied")
        self.stdout.write(f"{record}: {decided}")
        for each in explain_all(record):
            mark = "decided" if each.is_decisive else "matches" if not each.unmet else "no match"
            self.stdout.write(f"  {mark:8}  {each.policy}  {each.unmet}".rstrip())


def _draft(options: dict[str, Any]) -> CreatePolicy:
    rules = [_rule(text) for text in options["rule"]]
    draft = CreatePolicy(
        governs=options["governs"],
        effect=options["effect"],
        condition=options["condition"],
        for_tenant=options["tenant"],
        groups=tuple(group for group, _ in rules),
        quorums=tuple(quorum for _, quorum in rules),
    )
    try:
        check_policy(draft)
    except Invalid as error:
        raise CommandError(str(error)) from error
    return draft


def _rule(text: str) -> tuple[int, int]:
    name, _, quorum = text.rpartition(":")
    group = Group.objects.filter(name=name).first()
    if group is None or not quorum.isdigit():
        raise CommandError(f"--rule takes GROUP:QUORUM of an existing group, not {text!r}")
    return group.pk, int(quorum)
