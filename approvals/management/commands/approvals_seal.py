"""Seals for policies without one, and restoration of altered policies."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.models import Policy
from approvals.policies import seals
from audit.outside import outside_command


class Command(BaseCommand):
    """A step of the upgrade to sealed policies, and of the recovery from an attack."""

    help = "Seal the policies that have no seal, or restore an altered one to its sealed version."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="The reason, for the audit log.")
        parser.add_argument(
            "--restore", type=UUID, metavar="POLICY_ID", help="The policy to restore."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal or restore.

        :raises CommandError: if a policy was altered since it was sealed.
        """
        if options["restore"]:
            with outside_command(options["reason"]):
                self._restore(options["restore"])
        else:
            self._seal(reason=options["reason"])

    def _restore(self, policy_id: UUID) -> None:
        policy = Policy.objects.select_for_update().get(pk=policy_id)
        policy.restore()
        self.stdout.write(f"Restored: {seals.name_of(policy)}, version {policy.version}.")

    def _seal(self, *, reason: str) -> None:
        found = list(seals.problems())
        unsealed = [each.policy for each in found if not seals.is_known(each.policy)]
        if unsealed:
            with outside_command(reason):
                for policy in unsealed:
                    policy.seal()
        for policy in unsealed:
            self.stdout.write(f"Sealed: {seals.name_of(policy)}.")
        for each in found:
            if each.policy not in unsealed:
                self.stderr.write(f"{each.text} {each.remedy}")
        if altered := len(found) - len(unsealed):
            message = f"{altered} policies were altered, and are not sealed."
            raise CommandError(message)
