"""Rate limits: how much of a limit is used, by key, account, device or IP address.

Each is counted by GCRA, the generic cell rate algorithm (ITU-T I.371): a limit of 6000 requests a
minute restores one every 10 milliseconds, and the only value stored per row is the time when its
whole allowance is restored. It needs no window and no second row, and one statement both checks and
takes, so two processes cannot spend the same request.
"""

import ipaddress
import math
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import Any, Self

import structlog
from django.db import DatabaseError, connection

from audit.installation.settings import countersign

logger = structlog.get_logger(__name__)

# The holder of an IPv6 address mostly holds the rest of its /64 too.
_IPV6_NETWORK = 64

# What is left is compared by clock_timestamp(): a statement may see rows that are newer than its
# statement_timestamp(), and would refuse the last of some simultaneous requests.
# An IP address owes at most its whole limit: the longest wait after its last failure.
_COUNT = """
    INSERT INTO apikeys_allowance AS present (id, restored_at)
    VALUES (%(row)s, statement_timestamp() + %(cost)s)
    ON CONFLICT (id) DO UPDATE SET restored_at = least(
        greatest(present.restored_at, statement_timestamp()) + %(cost)s,
        statement_timestamp() + %(period)s)
"""
_TAKE = """
    INSERT INTO apikeys_allowance AS present (id, restored_at)
    VALUES (%(row)s, statement_timestamp() + %(cost)s)
    ON CONFLICT (id) DO UPDATE
        SET restored_at = greatest(present.restored_at, statement_timestamp()) + %(cost)s
        WHERE present.restored_at <= clock_timestamp() + %(room)s
    RETURNING true
"""
_GIVE_BACK = "UPDATE apikeys_allowance SET restored_at = restored_at - %(cost)s WHERE id = %(row)s"
_OWED = """
    SELECT extract(epoch FROM restored_at - statement_timestamp())::float8
    FROM apikeys_allowance WHERE id = %(row)s
"""
# An expired row means the same as no row.
_SWEEP = """
    DELETE FROM apikeys_allowance WHERE id IN (
        SELECT id FROM apikeys_allowance WHERE restored_at < now() FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True)
class Limit:
    requests: int
    seconds: int

    @cached_property
    def period(self) -> timedelta:
        """The time until the whole limit is restored."""
        return timedelta(seconds=self.seconds)

    @cached_property
    def cost(self) -> timedelta:
        """The time until one request is restored, at least a microsecond."""
        # Without the minimum, more than two million requests a second would cost nothing.
        return max(self.period / self.requests, timedelta.resolution)

    @cached_property
    def room(self) -> timedelta:
        """The most that may be owed while one more request is allowed."""
        return self.period - self.cost

    # Sent with every request as text: adapting a timedelta each time takes 3 µs.
    @cached_property
    def cost_in_sql(self) -> str:
        return f"{self.cost.total_seconds():.6f} seconds"

    @cached_property
    def room_in_sql(self) -> str:
        return f"{self.room.total_seconds():.6f} seconds"


@dataclass(frozen=True, slots=True)
class Quota:
    """The rest of a limit: the fields of draft-ietf-httpapi-ratelimit-headers-10."""

    policy: str
    limit: Limit
    remaining: int
    seconds: int

    @classmethod
    def after(cls, policy: str, limit: Limit, *, owed: float) -> Self:
        """Return the quota for the seconds owed; the limit is whole again after as many."""
        # The epsilon offsets the rounding error of the division.
        remaining = int((limit.seconds - owed) / limit.cost.total_seconds() + 1e-6)
        return cls(policy, limit, max(remaining, 0), max(math.ceil(owed), 0))

    @classmethod
    def used_up(cls, policy: str, limit: Limit, *, owed: float | None) -> Self:
        """Return the quota of a used-up limit; its seconds must equal Retry-After."""
        wait = 0.0 if owed is None else owed - limit.room.total_seconds()
        return cls(policy, limit, 0, max(math.ceil(wait), 1))

    def headers(self) -> dict[str, str]:
        """Return the two header fields."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit.requests};w={self.limit.seconds}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.seconds}',
        }


class LimitReached(Exception):
    """A key, or an IP address with too many failures, has used up its limit."""

    def __init__(self, quota: Quota) -> None:
        super().__init__(f"limit reached: {quota.policy}")
        self.quota = quota


class LimiterFailed(Exception):
    """Limits cannot be checked, and the settings do not allow to go on without."""


@cache
def limit_of(found: tuple[int, int] | None) -> Limit | None:
    """Return the limit of a setting, as requests and seconds."""
    return Limit(*found) if found else None


def row_of_address(address: str | None) -> str:
    """Return the id of an IP address's row; all unknown addresses share one."""
    if address is None:
        return "address:unknown"
    if ":" in address:
        return f"address:{ipaddress.ip_network((address, _IPV6_NETWORK), strict=False)}"
    return f"address:{address}"


def take(row: str, limit: Limit, *, policy: str) -> None:
    """Take one request from an allowance.

    :raises LimitReached: if none is left.
    """
    values: dict[str, Any] = {"row": row, "cost": limit.cost, "room": limit.room}
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        if cursor.fetchone():
            return
        cursor.execute(_OWED, values)
        (owed,) = cursor.fetchone() or (None,)
    raise LimitReached(Quota.used_up(policy, limit, owed=owed))


def give_back(row: str, limit: Limit) -> None:
    """Return one request to an allowance."""
    values: dict[str, Any] = {"row": row, "cost": limit.cost}
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK, values)


def count(row: str, limit: Limit) -> None:
    """Count a request, even if none is left.

    :raises LimiterFailed: if it cannot be counted, on the terms of `go_on_without`.
    """
    values: dict[str, Any] = {"row": row, "cost": limit.cost, "period": limit.period}
    try:
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, values)
    except DatabaseError as error:
        go_on_without(error)


def go_on_without(error: DatabaseError) -> None:
    """Log the failure and allow the request, if the settings say so.

    :raises LimiterFailed: if they do not.
    """
    logger.error("rate limits cannot be checked", why=type(error.__cause__ or error).__name__)
    if not countersign().rate_limit_fails_open:
        raise LimiterFailed from error


def sweep() -> None:
    """Delete the rows of allowances that are whole again."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SWEEP)
    except DatabaseError as error:
        logger.warning("old rate limits could not be swept", why=type(error).__name__)
