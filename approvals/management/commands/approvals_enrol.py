"""Enrolment codes of policy owners."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.passkeys import enrolment
from approvals.passkeys.commands import IssueEnrolmentCode
from audit.entry.shell import carry_out
from audit.installation import users


class Command(BaseCommand):
    """The code goes to its owner by another way than e-mail, such as in person."""

    help = "Issue a one-time code with which a policy owner registers a first passkey."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="The user name of the policy owner.")
        parser.add_argument(
            "--reason", default="First passkey of a policy owner", help="For the audit log."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = users.manager().filter(**{users.name_field(): options["username"]}).first()
        if user is None:
            raise CommandError("There is no user of that name.")
        command = IssueEnrolmentCode(user_id=user.pk)
        completed = carry_out(command, reason=options["reason"])
        code = enrolment.code_of(command.enrolment_id, person_id=user.pk)
        self.stdout.write(f"Enrolment code, by command {completed.command_id}: {code}")
        hours = int(enrolment.VALID_FOR.total_seconds() // 3600)
        self.stdout.write(f"It is valid for {hours} hours, and for the first passkey only.")
