"""Seals for policies and requests without one, and restoration of altered policies."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.decisions import evidence
from approvals.models import Policy
from approvals.policies import seals
from approvals.requests import listing
from audit.outside import outside_command


class Command(BaseCommand):
    """A step of the upgrade to sealed rows, and of the recovery from an attack."""

    help = "Seal policies and requests that have no seal, or restore an altered policy."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="The reason, for the audit log.")
        parser.add_argument(
            "--restore", type=UUID, metavar="POLICY_ID", help="The policy to restore."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Seal or restore.

        :raises CommandError: if something was altered since it was sealed, or cannot be confirmed.
        """
        with outside_command(options["reason"]) if _is_needed(options) else nullcontext():
            if options["restore"]:
                self._restore(options["restore"])
                return
            problems = [*self._seal_policies(), *self._seal_requests()]
        for problem in problems:
            self.stderr.write(problem)
        if problems:
            message = f"{len(problems)} problems: these are not sealed."
            raise CommandError(message)

    def _restore(self, policy_id: UUID) -> None:
        policy = Policy.objects.select_for_update().get(pk=policy_id)
        policy.restore()
        self.stdout.write(f"Restored: {seals.name_of(policy)}, version {policy.version}.")

    def _seal_policies(self) -> Iterator[str]:
        for each in list(seals.problems()):
            if seals.is_known(each.policy):
                yield f"{each.text} {each.remedy}"
            else:
                each.policy.seal()
                self.stdout.write(f"Sealed: {seals.name_of(each.policy)}.")

    def _seal_requests(self) -> Iterator[str]:
        """Seal the requests without a seal whose votes and log confirm the state."""
        for request in list(listing.altered()):
            stored = request.as_stored()
            if request.row_seal:
                yield f"The {request} was altered after it was sealed."
            elif found := evidence.problems_of(stored, evidence.gather(stored)):
                yield f"The {request} cannot be confirmed: {'; '.join(found)}."
            else:
                stored.seal_row()
                stored.save(update_fields=["row_seal"])
                self.stdout.write(f"Sealed: {request}, {stored.state}.")


def _is_needed(options: dict[str, Any]) -> bool:
    """Return True if there is anything to write: an empty change need not be logged."""
    return bool(options["restore"]) or any(seals.problems()) or any(listing.altered())
