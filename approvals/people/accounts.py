"""People and groups in approvals: accounts and granted permissions."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission, User
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db.models import PROTECT, RESTRICT, Q, QuerySet
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from audit.installation import users
from audit.installation.settings import countersign
from audit.messages.exceptions import FieldError, Invalid
from audit.messages.names import check_name
from audit.subjects.types import subject

OWNERS = "Policy owners"

# Tracked without history rows; the password is never shown or compared.
subject("user", shown=users.shown())(get_user_model())
subject("group", shown=("id", "name"), names=("name",))(Group)


def was_granted(user_id: int, permission: str) -> bool:
    """Return True if the user was granted the permission; superuser status does not count."""
    return _named(permission).filter(Q(user=user_id) | Q(group__user=user_id)).exists()


def permission_named(name: str) -> Permission:
    """Return the permission with this name, such as ``apikeys.disable_apikey``.

    :raises Invalid: if there is no such permission.
    """
    found = _named(name).first()
    if found is None:
        message = "must be a permission, such as apikeys.disable_apikey"
        raise Invalid(errors=[FieldError("permission", "unknown", message)])
    return found


def locked_user(user_id: int) -> User:
    return users.manager().select_for_update().get(pk=user_id)


def new_user(username: str, *, email: str) -> User:
    """Return a user to be saved, who has no password yet.

    :raises Invalid: if the name is taken, or a field is invalid.
    """
    user: User = get_user_model()(**users.named(username, email=email))
    user.set_unusable_password()
    check_valid(user)
    return user


def check_valid(row: User | Group) -> None:
    """Check the fields of a user or group.

    :raises Invalid: if the name is taken or misleading, or a field is invalid.
    """
    check_name(str(row), field="name" if isinstance(row, Group) else users.name_field())
    try:
        row.full_clean(exclude=["password"])
    except ValidationError as error:
        problems = [
            FieldError(name, "invalid", " ".join(messages))
            for name, messages in error.message_dict.items()
        ]
        raise Invalid(errors=problems) from error


def rows_that_keep(row: User | Group) -> list[str]:
    """Return the kinds of rows that refer to a user or group and prevent its deletion."""
    return [
        str(related.related_model._meta.verbose_name_plural)
        for related in row._meta.related_objects
        if related.on_delete in (PROTECT, RESTRICT)
        and related.related_model._base_manager.filter(**{related.field.name: row.pk}).exists()
    ]


def password_link(user: User) -> str:
    """Return a link to set a password, which is valid once and for some days."""
    identifier = urlsafe_base64_encode(force_bytes(user.pk))
    token = default_token_generator.make_token(user)
    return countersign().base_url + reverse("password_reset_confirm", args=[identifier, token])


def _named(permission: str) -> QuerySet[Permission]:
    app_label, _, codename = permission.partition(".")
    return Permission.objects.filter(content_type__app_label=app_label, codename=codename)
