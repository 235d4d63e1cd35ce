"""The project's user model: its manager, and the names of its tables and columns in SQL.

It may be any model with Django's PermissionsMixin and an integer primary key. It is the same for as
long as a process runs.
"""

from functools import cache
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, User, UserManager
from django.core.exceptions import FieldDoesNotExist
from django.db import connection

from audit.installation.settings import countersign


class UserTables(NamedTuple):
    """Quoted names: the table of users and its columns, and the tables of their rights.

    ``is_staff`` is ``is_active`` if users have no such column: then every active user may sign in.
    """

    users: str
    pk: str
    name: str
    is_active: str
    is_staff: str
    is_superuser: str
    password: str
    of_groups: str
    of_groups_user: str
    of_permissions: str
    of_permissions_user: str
    group_permissions: str


@cache
def manager() -> UserManager[User]:
    """Return the manager of users, of whichever model they are."""
    return get_user_model()._default_manager


@cache
def name_field() -> str:
    """Return the name of the field by which users sign in."""
    return str(get_user_model().USERNAME_FIELD)


@cache
def email_field() -> str | None:
    """Return the name of the field with the e-mail address; None if there is none."""
    return field_or_none(get_user_model().get_email_field_name())


def email_of(user: Any) -> str:
    """Return the e-mail address of a user; empty if there is none."""
    field = email_field()
    return str(getattr(user, field) or "") if field else ""


def named(name: str, *, email: str) -> dict[str, str]:
    """Return the fields of a new user: the name wins if people sign in by e-mail address."""
    field = email_field()
    return ({field: email} if field else {}) | {name_field(): name}


def shown() -> tuple[str, ...]:
    """Return the fields of users that may be shown and compared."""
    pk = str(get_user_model()._meta.pk.name)
    flags = filter(field_or_none, ("is_active", "is_staff", "is_superuser"))
    return tuple(dict.fromkeys(filter(None, (pk, name_field(), email_field(), *flags))))


def usable_password() -> str:
    """Return the pattern of the passwords with which people can sign in: not of unusable ones."""
    return "" if countersign().single_sign_on else "^[^!]"


@cache
def staff_field() -> str:
    """Return the name of the field without which a user cannot sign in to the admin."""
    return field_or_none("is_staff") or "is_active"


def field_or_none(name: str) -> str | None:
    """Return a name if it is that of a column of users."""
    try:
        return str(get_user_model()._meta.get_field(name).name)
    except FieldDoesNotExist:
        return None


@cache
def tables() -> UserTables:
    """Return the names; only after all models are loaded."""
    user: Any = get_user_model()
    meta, quote = user._meta, connection.ops.quote_name
    groups, permissions = user.groups, user.user_permissions
    name, staff = name_field(), staff_field()
    return UserTables(
        users=quote(meta.db_table),
        pk=quote(meta.pk.column),
        name=quote(meta.get_field(name).column),
        is_active=_column(meta, "is_active"),
        is_staff=_column(meta, staff),
        is_superuser=_column(meta, "is_superuser"),
        password=_column(meta, "password"),
        of_groups=quote(groups.through._meta.db_table),
        of_groups_user=quote(meta.get_field("groups").m2m_column_name()),
        of_permissions=quote(permissions.through._meta.db_table),
        of_permissions_user=quote(meta.get_field("user_permissions").m2m_column_name()),
        group_permissions=quote(Group.permissions.through._meta.db_table),
    )


def _column(meta: Any, name: str) -> str:
    return str(connection.ops.quote_name(meta.get_field(name).column))


def permission(verb: str) -> str:
    """Return the permission to view, add, change or delete users, as ``app.codename``."""
    options = get_user_model()._meta
    return f"{options.app_label}.{verb}_{options.model_name}"
