"""Permissions of users, by one prepared statement; Django compiles and sends two each time.

Every request needs them, so the statement returns only ids, and each connection reads the names
once: joining the names took a quarter of the statement's time. A cached name cannot be outdated:
the serving role may not change names of permissions, ids are never reused, and an unknown id makes
the connection read all names again.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from audit.installation import users
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
    names = users.tables()
    return f"""ARRAY(
        SELECT permission_id FROM {names.of_permissions}
        WHERE {names.of_permissions_user} = {user}.{names.pk}
        UNION ALL
        SELECT granted.permission_id FROM {names.of_groups} AS belonging
        JOIN {names.group_permissions} AS granted USING (group_id)
        WHERE belonging.{names.of_groups_user} = {user}.{names.pk}
        UNION ALL
        SELECT id FROM auth_permission WHERE {user}.{names.is_superuser}
    )"""  # noqa: S608  # the names are those of models


def granted_sql(user: str, permission: str) -> str:
    """Return an SQL expression: true if a user has a permission, such as ``app.codename``."""
    app_label, _, codename = permission.partition(".")
    return f"""EXISTS (
        SELECT FROM auth_permission AS permission
        JOIN django_content_type AS content_type ON content_type.id = permission.content_type_id
        WHERE content_type.app_label = '{app_label}' AND permission.codename = '{codename}'
            AND permission.id = ANY ({ids_sql(user)})
    )"""  # the names are ours


def granted_to(permission: str) -> QuerySet[User]:
    """Return the users who were granted a permission, or have it by a group."""
    app_label, _, codename = permission.partition(".")
    named = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
    holders = users.manager().filter(pk=OuterRef("pk"))
    of_groups = Group.objects.filter(permissions__in=named)
    return users.manager().filter(
        Exists(holders.filter(user_permissions__in=named))
        | Exists(holders.filter(groups__in=of_groups))
    )


@cache
def _ids() -> Statement:
    names = users.tables()
    person = f"FROM {names.users} AS person WHERE {names.pk} = %s"
    return Statement(f"SELECT {ids_sql('person')} {person}")  # as above


def named(ids: Iterable[int]) -> frozenset[str]:
    """Return the names of permissions, as ``app.codename``."""
    wanted, known = frozenset(ids), _known()
    if not known.keys() >= wanted:
        known.update(pipeline.send(Call(_NAMES))[0])
    return frozenset([known[each] for each in wanted if each in known])


def selection(*, user_id: int) -> Call:
    """Return the statement that `read_ahead` executes, to be prefetched."""
    return Call(_ids(), [user_id])


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
