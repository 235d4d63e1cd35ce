"""Effective requirements of a request, as `policies.effective` sets them."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from audit.installation.settings import countersign
from audit.messages.exceptions import CommandError, FieldError, Invalid, Place

#: The deadline of a request that has to be decided: it never passes.
NEVER = datetime(9998, 12, 31, tzinfo=UTC)
_HEADER = "Execute-After"
# The process that executes approved commands runs once a minute.
_LEAST_TIME = timedelta(minutes=5)
# An entry of an index has at most 2,704 bytes.
_MOST_INDEXED = 100


class Requirements:
    """The part of a request that reads its effective requirements.

    ``required`` are those stored with it, which never change, and what today's policies add; there
    is no such attribute before they were read. ``barrier`` is the reason why today's policies do
    not let it be approved.
    """

    requirements: Any
    requested_at: Any
    approve_by: Any
    execute_by: Any
    execute_after: Any

    required: dict[str, Any]
    barrier: CommandError | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The effective requirements other than the rules."""
        return dict(self.required.get("options", {}))

    @property
    def group_ids(self) -> set[int]:
        """The groups whose members may approve."""
        return {rule["group_id"] for rule in self.required["rules"]}

    @property
    def executable_until(self) -> datetime | None:
        """The end of the time for execution; None if there is none."""
        ends = (
            self.execute_by,
            end_of(self.options.get("execute_within_s"), start=self.requested_at),
        )
        return min(filter(None, ends), default=None)

    @property
    def is_early(self) -> bool:
        """True until the time before which the command is not executed."""
        return self.execute_after is not None and timezone.now() < self.execute_after

    def check_time(self) -> None:
        """Check that there is time for the execution between `execute_after` and the deadlines.

        :raises Invalid: if not.
        """
        if self.execute_after is None:
            return
        end = min(filter(None, (self.approve_by, self.executable_until)))
        latest = end - _LEAST_TIME
        if not self.is_early:
            error = FieldError(_HEADER, "past", "must be in the future", Place.HEADER)
        elif self.execute_after > latest:
            message = (
                f"must be no later than {latest:%Y-%m-%d %H:%M:%S} UTC, five minutes before the "
                "request expires"
            )
            error = FieldError(_HEADER, "after_deadline", message, Place.HEADER)
        else:
            return
        raise Invalid(errors=[error])


def deadline_of(options: Mapping[str, Any], *, now: datetime) -> datetime:
    """Return the end of the time for approval."""
    if options.get("must_be_decided"):
        return NEVER
    within = options.get("approve_within_s")
    usual: timedelta = countersign().approve_within
    return now + (usual if within is None else timedelta(seconds=within))


def end_of(seconds: int | None, *, start: datetime) -> datetime | None:
    """Return the end of a time limit; None if there is no limit."""
    return start + timedelta(seconds=seconds) if seconds else None


def open_to(requirements: Mapping[str, Any]) -> list[int] | None:
    """Return the groups whose members may all vote, except the requester; None if it depends."""
    options = requirements.get("options", {})
    if options.get("minimum_membership_s") or options.get("requester_may_vote"):
        return None
    return indexable({rule["group_id"] for rule in requirements["rules"]})


def indexable(ids: Collection[int]) -> list[int] | None:
    """Return ids for an index in their order; None if they are too many."""
    return sorted(ids) if len(ids) <= _MOST_INDEXED else None
