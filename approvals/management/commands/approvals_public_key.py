"""Output of the public key that verifies evidence files."""

from typing import Any

from django.core.management.base import BaseCommand

from approvals.sealing import evidence_files
from audit.installation.settings import countersign


class Command(BaseCommand):
    """Publish the output where an auditor finds it without access to this machine."""

    help = "Print the public key of EVIDENCE_KEY in base64; it verifies signed evidence."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(evidence_files.public_key(countersign().evidence_key))
