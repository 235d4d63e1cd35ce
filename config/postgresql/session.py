"""Session settings that startup options ask for, and that a pooler may drop."""

from collections.abc import Sequence
from typing import Any

import structlog
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register  # noqa: A004  # Django's name
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.signals import connection_created

logger = structlog.get_logger(__name__)


@register(Tags.database, deploy=True)
def check_session(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Check that sessions of the serving role have their settings."""
    if not databases or DEFAULT_DB_ALIAS not in databases:
        return []
    lacking = _lacking(connections[DEFAULT_DB_ALIAS])
    message = f"Database sessions lack {', '.join(lacking)}: does a pooler drop startup options?"
    hint = f"Set them on the role: {_statements(lacking)}"
    return [Warning(message, hint=hint, id="config.W001")] if lacking else []


def warn_at_first_connection(connection: Any, **_: Any) -> None:
    """Log a warning if the first session of this process lacks some of its settings."""
    if connection.alias != DEFAULT_DB_ALIAS:
        return
    connection_created.disconnect(warn_at_first_connection)
    if lacking := _lacking(connection):
        logger.warning("database session lacks settings", remedy=_statements(lacking))


def _lacking(connection: Any) -> dict[str, str]:
    """Return the settings that a session should have and does not."""
    wanted = settings.DATABASE_SESSION_SETTINGS
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [[*wanted]])
        return dict(sorted(wanted.items() - set(cursor.fetchall())))


def _statements(lacking: dict[str, str]) -> str:
    role = settings.DATABASES[DEFAULT_DB_ALIAS]["USER"]
    quoted = {name: each.replace(", ", "', '") for name, each in lacking.items()}
    return " ".join(f"ALTER ROLE {role} SET {name} = '{each}';" for name, each in quoted.items())
