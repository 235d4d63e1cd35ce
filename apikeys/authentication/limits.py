"""The rate limits of API keys: requests per key, and failed authentications per IP address."""

from typing import Any, NamedTuple

from django.conf import settings

from audit.domain import Limit, LimitReached, Quota, rate_limits

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
            AND restored_at > clock_timestamp() + %(failures_room)s::interval
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
            WHERE present.restored_at <= clock_timestamp() + %(room)s::interval
        RETURNING extract(epoch FROM restored_at - statement_timestamp())::float8 AS owed
    )
"""


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


def per_key() -> Limit | None:
    """Return the limit of each key, or None."""
    return rate_limits.limit_of(settings.RATE_LIMIT_PER_KEY)


def failed_attempts() -> Limit | None:
    """Return the limit of invalid secrets per IP address, or None."""
    return rate_limits.limit_of(settings.RATE_LIMIT_FAILED_ATTEMPTS)


def parameters(address: str | None) -> dict[str, Any]:
    """Return the parameters of `COMMON_TABLES`; empty without limits, None where one is off."""
    key, failures = per_key(), failed_attempts()
    if not (key or failures):
        return {}
    return {
        "cost": key and key.cost_in_sql,
        "room": key and key.room_in_sql,
        "address": address,
        "address_row": failures and rate_limits.row_of_address(address),
        "failures_room": failures and failures.room_in_sql,
    }


def count_failure(address: str | None) -> None:
    """Count an invalid secret against its IP address.

    :raises LimiterFailed: if it cannot be counted, and the settings do not allow to go on.
    """
    if limit := failed_attempts():
        rate_limits.count(rate_limits.row_of_address(address), limit)
