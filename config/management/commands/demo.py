"""Load the cast of the demo story."""

from typing import Any

from django.core.management.base import BaseCommand

from config import demo


class Command(BaseCommand):
    """Make Acme, its people, the policy and a first key, unless they are there."""

    help = "Load the demo story's cast, once."

    def handle(self, *args: Any, **options: Any) -> None:
        """Load, or bring the address in the demo file up to date."""
        if demo.is_loaded():
            demo.refresh_address()
        else:
            demo.load()
