"""Export of the signed evidence of a request."""

from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.decisions import evidence
from approvals.models import ApprovalRequest


class Command(BaseCommand):
    """Export of one JSON file that shows how a request was decided, signed with EVIDENCE_KEY."""

    help = "Write the signed evidence of an approval request; manage.py approvals_verify checks it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("request_id", type=UUID, help="The id of the request.")
        parser.add_argument("--out", type=Path, help="The output file; default: standard output.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Gather, sign and write the evidence.

        :raises CommandError: if the request does not exist, or its evidence does not fit together.
        """
        request = ApprovalRequest.objects.filter(pk=options["request_id"]).first()
        if request is None:
            raise CommandError(f"There is no approval request {options['request_id']}.")
        try:
            file = evidence.write(request)
        except evidence.EvidenceDisagrees as problem:
            raise CommandError(f"The evidence of {request} is not signed: {problem}.") from problem
        if options["out"] is None:
            self.stdout.write(file.decode(), ending="")
            return
        options["out"].write_bytes(file)
        self.stdout.write(f"Written: {options['out']}, {len(file)} bytes.")
