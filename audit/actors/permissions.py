"""Permissions of users, by one prepared statement; Django compiles and sends two each time.

Every request needs them, so the statement returns only ids, and each connection reads the names
once: joining the names took a quarter of the statement's time. A cached name cannot be outdated:
the serving role may not change names of permissions, ids are never reused, and an unknown id makes
the connection read all names again.
"""

from collections.abc import Iterable
from typing import Any

from django.db import connection

from audit.wire import pipeline
from audit.wire.statements import Call, Statement

_NAMES = Statement("""
    SELECT permission.id, content_type.app_label || '.' || permission.codename
    FROM auth_permission AS permission
    JOIN django_content_type AS content_type ON content_type.id = permission.content_type_id
""")
# The attribute of the connection that caches the names, so that they end with it.
_KEPT = "_countersign_permission_names"


def ids_sql(user: str) -> str:
    """Return SQL for the array of ids of a user's permissions; ``user`` is the row's alias."""
    return f"""ARRAY(
        SELECT permission_id FROM auth_user_user_permissions WHERE user_id = {user}.id
        UNION ALL
        SELECT granted.permission_id FROM auth_user_groups AS belonging
        JOIN auth_group_permissions AS granted USING (group_id) WHERE belonging.user_id = {user}.id
        UNION ALL
        SELECT id FROM auth_permission WHERE {user}.is_superuser
    )"""  # noqa: S608  # the name is ours


def granted_sql(user: str, permission: str) -> str:
    """Return an SQL expression: true if a user has a permission, such as ``app.codename``."""
    app_label, _, codename = permission.partition(".")
    return f"""EXISTS (
        SELECT FROM auth_permission AS permission
        JOIN django_content_type AS content_type ON content_type.id = permission.content_type_id
        WHERE content_type.app_label = '{app_label}' AND permission.codename = '{codename}'
            AND permission.id = ANY ({ids_sql(user)})
    )"""  # the names are ours


_IDS = Statement(f"SELECT {ids_sql('person')} FROM auth_user AS person WHERE id = %s")  # noqa: S608  # as above


def named(ids: Iterable[int]) -> frozenset[str]:
    """Return the names of permissions, as ``app.codename``."""
    wanted, known = frozenset(ids), _known()
    if not known.keys() >= wanted:
        known.update(pipeline.send(Call(_NAMES))[0])
    return frozenset([known[each] for each in wanted if each in known])


def selection(*, user_id: int) -> Call:
    """Return the statement that `read_ahead` executes, to be prefetched."""
    return Call(_IDS, [user_id])


def read_ahead(user: Any) -> None:
    """Read a user's permissions into the attribute in which Django's ModelBackend caches them.

    An inactive user still has no permissions: the backend checks that first.
    """
    if user.pk is not None and not hasattr(user, "_perm_cache"):
        rows = pipeline.execute(*selection(user_id=user.pk))
        user._perm_cache = set(named(rows[0][0] if rows else ()))  # noqa: SLF001  # Django's cache


def _known() -> dict[int, str]:
    names: dict[int, str] = vars(connection.connection).setdefault(_KEPT, {})
    return names
