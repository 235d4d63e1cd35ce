"""What a person may do, by one prepared statement where Django asks two that it compiles anew.

Every request asks for that, so a statement lists the ids of what somebody has; what each of them is
called, a connection reads once. To join the names anew took a quarter of that statement.
A name cannot become outdated: the serving role may not change what permissions are called, their
ids are never given again, and an id that a connection has not met yet has it read all names anew.
"""

from collections.abc import Iterable
from typing import Any

from audit.wire import pipeline

_NAMES = pipeline.Statement("""
    SELECT permission.id, content_type.app_label || '.' || permission.codename
    FROM auth_permission AS permission
    JOIN django_content_type AS content_type ON content_type.id = permission.content_type_id
""")
# Where a connection keeps the names, which so go when the connection does.
_KEPT = "_countersign_permission_names"


def ids_sql(user: str) -> str:
    """Write in SQL the ids of what a user may do, as an array; ``user`` names the user's row."""
    return f"""ARRAY(
        SELECT permission_id FROM auth_user_user_permissions WHERE user_id = {user}.id
        UNION ALL
        SELECT granted.permission_id FROM auth_user_groups AS belonging
        JOIN auth_group_permissions AS granted USING (group_id) WHERE belonging.user_id = {user}.id
        UNION ALL
        SELECT id FROM auth_permission WHERE {user}.is_superuser
    )"""  # noqa: S608  # the name is ours


_IDS = pipeline.Statement(f"SELECT {ids_sql('person')} FROM auth_user AS person WHERE id = %s")  # noqa: S608  # as above


def named(ids: Iterable[int]) -> frozenset[str]:
    """Name permissions, as ``app.codename``."""
    wanted, known = frozenset(ids), _known()
    if not known.keys() >= wanted:
        known.update(pipeline.send(pipeline.Call(_NAMES))[0])
    return frozenset([known[each] for each in wanted if each in known])


def selection(*, user_id: int) -> pipeline.Call:
    """Return the statement that `read_ahead` executes, to be prefetched."""
    return pipeline.Call(_IDS, [user_id])


def read_ahead(user: Any) -> None:
    """Put what a person may do where Django's ModelBackend would keep it once it has asked.

    Who is not active has no permissions all the same: the backend looks at that first.
    """
    if user.pk is not None and not hasattr(user, "_perm_cache"):
        rows = pipeline.execute(*selection(user_id=user.pk))
        user._perm_cache = set(named(rows[0][0] if rows else ()))  # noqa: SLF001  # that is the place


def _known() -> dict[int, str]:
    database = pipeline.database()
    database.ensure_connection()
    names: dict[int, str] = vars(database.connection).setdefault(_KEPT, {})
    return names
