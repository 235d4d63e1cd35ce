"""The connections of both roles: their timeouts, deadlines and session settings."""

from typing import Any

from config import environment

_APPLICATION = environment.database("DATABASE_URL")
_OWNER = environment.database("MIGRATION_DATABASE_URL", default=environment.text("DATABASE_URL"))
_STATEMENT_TIMEOUT = environment.number("STATEMENT_TIMEOUT_MS", default=15_000)
_LOCK_TIMEOUT = environment.number("LOCK_TIMEOUT_MS", default=5_000)
# No JIT: compiling one of our queries takes many times as long as executing it. Generic plans,
# because planning does too: each prepared statement is written so that one plan suits all
# parameters.
SESSION_SETTINGS = {
    "statement_timeout": str(_STATEMENT_TIMEOUT),
    "lock_timeout": str(_LOCK_TIMEOUT),
    "idle_in_transaction_session_timeout": "60000",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    # These override settings that the role may give itself. Unless it is named, pg_temp comes
    # first, and a temporary table would take the place of a table of ours.
    "search_path": "public, pg_temp",
    "default_transaction_read_only": "off",
}
_SESSION_OPTIONS = " ".join(
    "-c " + f"{name}={each}".replace(" ", r"\ ") for name, each in SESSION_SETTINGS.items()
)
# Django's default, None, makes psycopg ignore `prepare=True` too. With a threshold that is never
# reached, only statements that ask for it are prepared.
_IS_PREPARED = environment.flag("DATABASE_PREPARED_STATEMENTS", default=True)
# Limits of libpq, in seconds, except the last one, in milliseconds. A URL may set others. Unix
# sockets ignore all but the first one.
_LIBPQ_LIMITS = {
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
# The server cancels a statement first, unless it does not respond at all.
_DEADLINE = _STATEMENT_TIMEOUT / 1000 + 2 if _STATEMENT_TIMEOUT else None

ALIASES: dict[str, dict[str, Any]] = {
    "default": {
        **_APPLICATION,
        "ENGINE": "config.postgresql",
        "CONN_MAX_AGE": environment.number("DATABASE_CONN_MAX_AGE", default=60),
        "CONN_HEALTH_CHECKS": True,
        # A pooler that tracks no prepared statements does not keep cursors either.
        "DISABLE_SERVER_SIDE_CURSORS": not _IS_PREPARED,
        "OPTIONS": {
            # With another name than that of releases that write history themselves: see
            # audit/tracking/protection.py.
            "application_name": "countersign/2",
            **_LIBPQ_LIMITS,
            **_APPLICATION["OPTIONS"],
            # The last one counts: a URL may set others.
            "options": f"{_SESSION_OPTIONS} {_APPLICATION['OPTIONS'].get('options', '')}".strip(),
            "prepare_threshold": 1_000_000_000 if _IS_PREPARED else None,
            "deadline": _DEADLINE,
        },
        # Tests create their database as its owner, and read it as the application does.
        "TEST": {"MIRROR": "owner"},
    },
    # Without a deadline: a migration may take hours.
    "owner": {
        **_OWNER,
        "ENGINE": "config.postgresql",
        "CONN_MAX_AGE": 0,
        "DISABLE_SERVER_SIDE_CURSORS": not _IS_PREPARED,
        "OPTIONS": {**_LIBPQ_LIMITS, **_OWNER["OPTIONS"]},
    },
}
