"""How often a key may call, and how often an address may fail to show a good one.

Both are counted by GCRA, the generic cell rate algorithm (ITU-T I.371): a limit of 6000 requests
a minute gives one back every 10 milliseconds, and all that one row says of a key is when the whole
of its allowance will be there again. It needs no window and no second row, and one statement both
asks and takes, so that no two processes give away the same request.
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

# Who holds an IPv6 address mostly holds the rest of its /64 too.
_IPV6_NETWORK = 64

#: What a statement adds that finds a `candidate`, with its id and verdict.
#: `blocked`: the address has failed too often, and owes so many seconds. Whoever has used the key
#: from there within a day is let through: one broken client must not lock out the good ones that
#: share its address.
#: `standing`: so many seconds the candidate owed before this request.
#: `taken`: one request, of a good candidate that has one left, which now owes so many seconds. Who
#: has none left is told by `standing`, without a write; the condition at the end is for those who
#: come at the same moment.
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
    ), standing AS (
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
                SELECT FROM standing WHERE owed > extract(epoch FROM %(room)s::interval))
        ON CONFLICT (id) DO UPDATE
            SET restored_at
                = greatest(present.restored_at, statement_timestamp()) + %(cost)s::interval
            WHERE present.restored_at <= statement_timestamp() + %(room)s::interval
        RETURNING extract(epoch FROM restored_at - statement_timestamp())::float8 AS owed
    )
"""
# An address owes no more than its whole limit: once it stops failing, that is how long it waits.
_COUNT_FAILURE = """
    INSERT INTO apikeys_allowance AS present (id, restored_at)
    VALUES (%(row)s, statement_timestamp() + %(cost)s)
    ON CONFLICT (id) DO UPDATE SET restored_at = least(
        greatest(present.restored_at, statement_timestamp()) + %(cost)s,
        statement_timestamp() + %(period)s)
"""
# A row whose time has come says what no row says.
_SWEEP = """
    DELETE FROM apikeys_allowance WHERE id IN (
        SELECT id FROM apikeys_allowance WHERE restored_at < now() FOR UPDATE SKIP LOCKED)
"""


@dataclass(frozen=True)
class Limit:
    """So many requests in so many seconds."""

    requests: int
    seconds: int

    @cached_property
    def period(self) -> timedelta:
        """How long it takes until all are given back."""
        return timedelta(seconds=self.seconds)

    @cached_property
    def cost(self) -> timedelta:
        """How long it takes until one is given back."""
        return self.period / self.requests

    @cached_property
    def room(self) -> timedelta:
        """How much may be owed for one more to pass."""
        return self.period - self.cost

    # Every request sends these two. To adapt a timedelta anew each time takes 3 µs.
    @cached_property
    def cost_in_sql(self) -> str:
        """The cost as PostgreSQL reads an interval."""
        return f"{self.cost.total_seconds():.6f} seconds"

    @cached_property
    def room_in_sql(self) -> str:
        """The room as PostgreSQL reads an interval."""
        return f"{self.room.total_seconds():.6f} seconds"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left of a limit: the fields of draft-ietf-httpapi-ratelimit-headers-10."""

    policy: str
    limit: Limit
    remaining: int
    seconds: int

    @classmethod
    def after(cls, policy: str, limit: Limit, *, owed: float) -> Self:
        """Tell what is left where so many seconds are owed; it is whole after as many."""
        # The sliver makes up for what the division loses.
        remaining = int((limit.seconds - owed) / limit.cost.total_seconds() + 1e-6)
        return cls(policy, limit, max(remaining, 0), max(math.ceil(owed), 0))

    @classmethod
    def used_up(cls, policy: str, limit: Limit, *, owed: float | None) -> Self:
        """Tell when the next one will pass; the draft wants Retry-After to tell the same time."""
        wait = 0.0 if owed is None else owed - limit.room.total_seconds()
        return cls(policy, limit, 0, max(math.ceil(wait), 1))

    def headers(self) -> dict[str, str]:
        """Write it as the two fields."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit.requests};w={self.limit.seconds}',
            "RateLimit": f'"{self.policy}";r={self.remaining};t={self.seconds}',
        }


class LimitReached(Exception):
    """A key, or an address that kept failing, has used up what it may."""

    def __init__(self, standing: Standing) -> None:
        super().__init__(f"limit reached: {standing.policy}")
        self.standing = standing


class LimiterFailed(Exception):
    """Whether a limit is reached cannot be told, and the settings say not to go on without."""


class Owed(NamedTuple):
    """What `COMMON_TABLES` found, in seconds; None where there is nothing, or nothing allowed."""

    blocked: float | None
    standing: float | None
    taken: float | None

    def check_address(self) -> None:
        """Turn away an address that has failed too often.

        :raises LimitReached: if it has.
        """
        limit = failed_attempts()
        if limit and self.blocked is not None:
            raise LimitReached(Standing.used_up("address", limit, owed=self.blocked))

    def check_key(self) -> Standing | None:
        """Tell how a good key stands after this request, if it is limited.

        :raises LimitReached: if there was none left.
        """
        limit = per_key()
        if limit is None:
            return None
        if self.taken is None:
            raise LimitReached(Standing.used_up("key", limit, owed=self.standing))
        return Standing.after("key", limit, owed=self.taken)


@cache
def _limit(found: tuple[int, int] | None) -> Limit | None:
    return Limit(*found) if found else None


def per_key() -> Limit | None:
    """Return the limit of each key, if there is one."""
    return _limit(settings.RATE_LIMIT_PER_KEY)


def failed_attempts() -> Limit | None:
    """Return the limit of each address for secrets that are not good, if there is one."""
    return _limit(settings.RATE_LIMIT_FAILED_ATTEMPTS)


def are_limited() -> bool:
    """Tell whether there is any limit."""
    return bool(settings.RATE_LIMIT_PER_KEY or settings.RATE_LIMIT_FAILED_ATTEMPTS)


def parameters(address: str | None) -> dict[str, Any]:
    """Return what `COMMON_TABLES` asks for; of a limit that is off it asks nothing."""
    key, failures = per_key(), failed_attempts()
    return {
        "cost": key and key.cost_in_sql,
        "room": key and key.room_in_sql,
        "address": address,
        "address_row": failures and _row_of(address),
        "failures_room": failures and failures.room_in_sql,
    }


def count_failure(address: str | None) -> None:
    """Count one secret that was not good against the address that it came from.

    :raises LimiterFailed: if it cannot be counted, as `go_on_without` has it.
    """
    limit, row = failed_attempts(), _row_of(address)
    if limit is None or row is None:
        return
    values: dict[str, Any] = {"row": row, "cost": limit.cost, "period": limit.period}
    try:
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_FAILURE, values)
    except DatabaseError as error:
        go_on_without(error)


def go_on_without(error: DatabaseError) -> None:
    """Let pass what cannot be limited, if the settings say so.

    :raises LimiterFailed: if they do not.
    """
    logger.error("rate limits cannot be checked", why=type(error.__cause__ or error).__name__)
    if not settings.RATE_LIMIT_FAILS_OPEN:
        raise LimiterFailed from error


def sweep() -> None:
    """Remove the rows of those whose allowance is whole again."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(_SWEEP)
    except DatabaseError as error:
        logger.warning("old rate limits could not be swept", why=type(error).__name__)


def _row_of(address: str | None) -> str | None:
    if address is None:
        return None
    if ":" in address:
        return f"address:{ipaddress.ip_network((address, _IPV6_NETWORK), strict=False)}"
    return f"address:{address}"
