"""Effective requirements of a request, as `policies.effective` sets them."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from audit.messages.exceptions import CommandError

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
    execute_by: Any

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
