"""Verification of an evidence file or a case file, without a database."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.decisions import agreement
from approvals.sealing import evidence_files


class Command(BaseCommand):
    """Verification of a signed file: any changed byte is detected."""

    help = "Check signed evidence of an approval request, or a case file, without a database."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="The evidence file.")
        parser.add_argument(
            "--public-key", help="The published key; without it, compare the printed key yourself."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify the file and show a summary.

        :raises CommandError: if it cannot be read or is not genuine.
        """
        try:
            content = options["file"].read_bytes()
            verified = evidence_files.verify(content, expected_key=options["public_key"])
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        except evidence_files.NotGenuine as error:
            raise CommandError(f"{options['file']} is not genuine: {error}.") from error
        for evidence in verified.all_evidence:
            if found := agreement.disagreements(evidence):
                problems = "; ".join(found)
                raise CommandError(
                    f"{options['file']} was signed, but contradicts itself: {problems}."
                )
        if verified.case_file:
            self.stdout.write(f"Genuine: a case file of {verified.case_file['about']}.")
        for evidence in verified.all_evidence:
            request = evidence["request"]
            self.stdout.write(f"Genuine: {request['message_type']}, {request['id']}.")
            self.stdout.write(f"State: {request['state']}. {request['outcome']}".strip())
        self.stdout.write(f"Signed with {verified.public_key}")
        if options["public_key"] is None:
            self.stdout.write("Compare this key with the published one.")
