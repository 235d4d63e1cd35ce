"""The process that deletes sessions which have ended, from the database."""

from datetime import timedelta

from django.contrib.sessions.models import Session

from audit.reactions.processes.declarations import every
from audit.reactions.processes.managers import process
from audit.reactions.processes.process import Process

_AT_ONCE = 1_000


@process("audit.sessions")
class EndedSessions(Process):
    """Deletes the rows of sessions that no one can continue; they are in no log."""

    @every(timedelta(hours=1))
    def delete(self) -> None:
        ended = Session.objects.filter(expire_date__lt=self.now).order_by("expire_date")
        deleted, _ = Session.objects.filter(pk__in=ended.values("pk")[:_AT_ONCE]).delete()
        if deleted == _AT_ONCE:
            self.at(self.now, self.delete)
