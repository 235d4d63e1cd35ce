"""E-mail, with the settings of every version of Django: MAILERS since 6.1, EMAIL_* before."""

from typing import Any

from django.core import mail
from django.core.mail.backends import dummy

# Absent before Django 6.1, which deprecates `get_connection`.
_mailers: Any = getattr(mail, "mailers", None)


def connection() -> Any:
    """Return a new connection of the default mailer: ``with`` opens it. None if there is none."""
    return _mailers.get("default") if _mailers else mail.get_connection()


def is_configured() -> bool:
    """Return True if e-mail is sent; if not, no recipients need to be read."""
    return not isinstance(connection(), dummy.EmailBackend | None)
