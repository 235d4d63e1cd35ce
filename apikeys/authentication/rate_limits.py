"""Rate limits: requests per key, and failed authentications per IP address.

Both are counted by GCRA, the generic cell rate algorithm (ITU-T I.371): a limit of 6000 requests a
minute restores one every 10 milliseconds, and the only value stored per key is the time when its
whole allowance is restored. It needs no window and no second row, and one statement both checks and
takes, so two processes cannot spend the same request.
"""

import ipaddress
import math
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, cached_property
from typing import Any, NamedTuple, Self

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

logger = structlog.get_logger(__name__)

# The holder of an IPv6 address mostly holds the rest of its /64 too.
_IPV6_NETWORK = 64

#: Common table expressions for a statement that finds a `candidate`, with its id and verdict.
#: `blocked`: the IP address has failed too often, with the seconds it owes. Keys used from there
#: within a day are still allowed: one broken client must not lock out valid keys behind the same
#: address.
#: `quota`: the seconds that the candidate owed before this request.
#: `taken`: one request, taken by a valid candidate that has one left, with the seconds it owes now.
#: A candidate without one left is found by `quota`, without a write; the condition at the end is
#: for concurrent requests.
COMMON_TABLES = """
    failing AS (
        SELECT extract(epoch FROM restored_at - statement_timestamp())::float8 AS owed
        FROM apikeys_allowance
        WHERE id = %(address_row)s::text
            AND restored_at > statement_timestamp() + %(failures_room)s::interval
    ), blocked AS (
        SELECT owed FROM failing
        WHERE NOT EXISTS (
            SELECT FROM candidate
            JOIN apikeys_apikeyusage AS usage ON usage.api_key_id = candidate.id
            WHERE failing.owed > 0
                AND usage.last_used_from = %(address)s::text::inet
                AND usage.last_used_at > statement_timestamp() - interval '1 day')
    ), quota AS (
        SELECT extract(epoch FROM allowance.restored_at - statement_timestamp())::float8 AS owed
        FROM candidate
        JOIN apikeys_allowance AS allowance ON allowance.id = 'key:' || candidate.id
    ), taken AS (
        INSERT INTO apikeys_allowance AS present (id, restored_at)
        SELECT 'key:' || candidate.id, statement_timestamp() + %(cost)s::interval
        FROM candidate
        WHERE candidate.verdict = 'valid' AND %(cost)s::interval IS NOT NULL
            AND NOT EXISTS (SELECT FROM blocked)
            AND NOT EXISTS (
                SELECT FROM quota WHERE owed > extract(epoch FROM %(room)s::interval))
        ON CONFLICT (id) DO UPDATE
            SET restored_at
                = greatest(present.restored_at, statement_timestamp()) + %(cost)s::interval
            WHERE present.restored_at <= statement_timestamp() + %(room)s::interval
        RETURNING extract(epoch FROM restored_at - statement_timestamp())::float8 AS owed
    )
"""
# An IP address owes at most its whole limit: the longest wait after its last failure.
_COUNT_FAILURE = """
    INSERT INTO apikeys_allowance AS present (id, restored_at)
    VALUES (%(row)s, statement_timestamp() + %(cost)s)
    ON CONFLICT (id) DO UPDATE SET restored_at = least(
        greatest(present.restored_at, statement_timestamp()) + %(cost)s,
        statement_timestamp() + %(period)s)
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


class Owed(NamedTuple):
    """The results of `COMMON_TABLES`, in seconds; None if there is no row or no request left."""

    blocked: float | None
    quota: float | None
    taken: float | None

    def check_address(self) -> None:
        """Check that the IP address has not failed too often.

        :raises LimitReached: if it has.
        """
        limit = failed_attempts()
        if limit and self.blocked is not None:
            raise LimitReached(Quota.used_up("address", limit, owed=self.blocked))

    def check_key(self) -> Quota | None:
        """Return the quota of a valid key after this request, or None without a limit.

        :raises LimitReached: if no request was left.
        """
        limit = per_key()
        if limit is None:
            return None
        if self.taken is None:
            raise LimitReached(Quota.used_up("key", limit, owed=self.quota))
        return Quota.after("key", limit, owed=self.taken)


@cache
def _limit(found: tuple[int, int] | None) -> Limit | None:
    return Limit(*found) if found else None


def per_key() -> Limit | None:
    """Return the limit of each key, or None."""
    return _limit(settings.RATE_LIMIT_PER_KEY)


def failed_attempts() -> Limit | None:
    """Return the limit of invalid secrets per IP address, or None."""
    return _limit(settings.RATE_LIMIT_FAILED_ATTEMPTS)


def parameters(address: str | None) -> dict[str, Any]:
    """Return the parameters of `COMMON_TABLES`; empty without limits, None where one is off."""
    key, failures = per_key(), failed_attempts()
    if not (key or failures):
        return {}
    return {
        "cost": key and key.cost_in_sql,
        "room": key and key.room_in_sql,
        "address": address,
        "address_row": failures and _row_of(address),
        "failures_room": failures and failures.room_in_sql,
    }


def count_failure(address: str | None) -> None:
    """Count an invalid secret against its IP address.

    :raises LimiterFailed: if it cannot be counted, on the terms of `go_on_without`.
    """
    limit = failed_attempts()
    if limit is None:
        return
    values: dict[str, Any] = {"row": _row_of(address), "cost": limit.cost, "period": limit.period}
    try:
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_FAILURE, values)
    except DatabaseError as error:
        go_on_without(error)


def go_on_without(error: DatabaseError) -> None:
    """Log the failure and allow the request, if the settings say so.

    :raises LimiterFailed: if they do not.
    """
    logger.error("rate limits cannot be checked", why=type(error.__cause__ or error).__name__)
    if not settings.RATE_LIMIT_FAILS_OPEN:
        raise LimiterFailed from error


def sweep() -> None:
    """Delete the rows of allowances that are whole again."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SWEEP)
    except DatabaseError as error:
        logger.warning("old rate limits could not be swept", why=type(error).__name__)


def _row_of(address: str | None) -> str:
    """Return the id of an address's row; all unknown addresses share one."""
    if address is None:
        return "address:unknown"
    if ":" in address:
        return f"address:{ipaddress.ip_network((address, _IPV6_NETWORK), strict=False)}"
    return f"address:{address}"
