"""Processes of approvals: expiry, execution once there are enough approvals, and reminders.

None has a row for a request: they read the pending requests, however many there are.
"""

from datetime import datetime, timedelta
from uuid import UUID

from approvals.decisions.commands import ExpireRequest, ReleaseRequest, RemindOfDeadline
from approvals.requests import correspondence, statuses
from approvals.requests.listing import VIEW
from audit.messages.outcomes import Completed
from audit.reactions.processes.declarations import every
from audit.reactions.processes.managers import process
from audit.reactions.processes.process import Process

_EVERY = timedelta(minutes=1)
# So that approvers wait for these commands no longer than for one another.
_AT_ONCE = 10


@process("approvals.expiry", permissions={VIEW, "approvals.expire_request"})
class Expiry(Process):
    """Marks overdue requests as expired, which they count as with or without it."""

    @every(_EVERY)
    def expire(self) -> None:
        late = statuses.overdue(limit=_AT_ONCE)
        outcomes = [self.send(ExpireRequest(approval_request_id=each)) for each in late]
        if len(late) == _AT_ONCE and any(isinstance(each, Completed) for each in outcomes):
            self.at(self.now, self.expire)


@process("approvals.release", permissions={VIEW, "approvals.release_request"})
class Release(Process):
    """Executes requests that have enough approvals again because time has passed."""

    @every(_EVERY)
    def release(self) -> None:
        # One for each transaction: its command may take long.
        for request_id in statuses.completed(limit=1):
            outcome = self.send(ReleaseRequest(approval_request_id=request_id))
            if isinstance(outcome, Completed):
                self.at(self.now, self.release)


@process("approvals.reminders", permissions={VIEW, "approvals.remind_of_deadline"})
class Reminders(Process):
    """Reminds approvers after 50 and 90 percent of the time to decide."""

    last_at: datetime | None = None
    last_id: UUID = UUID(int=0)

    @every(_EVERY)
    def remind(self) -> None:
        after = (self.last_at or self.now, self.last_id)
        due = correspondence.due_reminders(after, until=self.now, limit=_AT_ONCE)
        for each in due:
            self.send(RemindOfDeadline(approval_request_id=each.request_id, percent=each.percent))
        if len(due) == _AT_ONCE:
            self.last_at, self.last_id = due[-1].at, due[-1].request_id
            self.at(self.now, self.remind)
        else:
            self.last_at, self.last_id = self.now, UUID(int=2**128 - 1)
