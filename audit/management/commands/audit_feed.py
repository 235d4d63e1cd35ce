"""The management command that shows how far readers of the log may read, and what they wait for."""

from typing import Any

from django.core.management.base import BaseCommand

from audit.log import feed


class Command(BaseCommand):
    """The horizon of the feed, and the transactions in progress, of which the oldest holds it."""

    help = "Show the transactions that the readers of the log wait for, the oldest first."

    def handle(self, *args: Any, **options: Any) -> None:
        place = feed.horizon(feed.Place()).place
        self.stdout.write(f"Readers may read up to transaction {place.xid} of epoch {place.epoch}.")
        for writer in feed.writers():
            age = "an unknown time" if writer.age is None else f"{writer.age.total_seconds():.1f} s"
            process = f"process {writer.pid}, " if writer.pid else ""
            self.stdout.write(
                f"Waiting for {process}{writer.application} ({writer.role}), for {age}."
            )
