"""Bootstrap of the policy owners."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from approvals.policies.bootstrap import Bootstrap
from audit.entry.shell import carry_out
from audit.installation import users
from audit.messages.characters import actor_name


class Command(BaseCommand):
    """A set-up step, run once: later the owners themselves decide who joins them."""

    help = "Appoint the first policy owners, at least three, and create the first policies."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--owner",
            action="append",
            required=True,
            metavar="USERNAME",
            help="The user name of an owner; repeat for each.",
        )
        parser.add_argument(
            "--policy",
            action="append",
            default=[],
            metavar="TYPE:GROUP:QUORUM",
            help="Hold commands of this type until QUORUM members of the group approve.",
        )
        parser.add_argument(
            "--reason", default="First set-up", help="The reason, for the audit log."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        command = Bootstrap(owners=tuple(options["owner"]), policies=tuple(options["policy"]))
        completed = carry_out(command, reason=options["reason"])
        self.stdout.write(f"Appointed the policy owners, by command {completed.command_id}.")
        named = {f"{users.name_field()}__in": options["owner"], users.staff_field(): False}
        outside = users.manager().filter(**named)
        for user in outside.order_by("pk"):
            self.stdout.write(
                f"{actor_name(str(user))} is not staff, so cannot vote in the admin yet."
            )
