"""Passkeys as second factors: an interface to the app that has them.

An AppConfig declares its class for them: ``passkeys`` is the dotted name.
"""

from dataclasses import dataclass
from functools import cache
from uuid import UUID

from django.apps import apps
from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """The content that a person signs.

    It is valid for one purpose and, by its nonce, for one use of a page.
    """

    user_id: int
    purpose: str
    nonce: str


class Passkeys:
    """The passkeys of people. Without an app that has them, no one has one."""

    #: The static file of the script that uses them in a browser.
    script = ""
    #: The name of the URL of the page on which people register their own.
    page = ""

    def problem(self) -> str:
        """Return why they cannot be used at the address of this server; empty if they can be."""
        return ""

    def has(self, user_id: int) -> bool:
        """Return True if a person has one that was neither removed nor reset."""
        return False

    def is_current(self, passkey_id: str, *, user_id: int) -> bool:
        """Return True if a passkey is one of the person that was neither removed nor reset."""
        return False

    def options(self, challenge: Challenge) -> str:
        """Return what the script needs to ask the browser for a response, as JSON."""
        return ""

    def use(self, response: str, *, challenge: Challenge) -> UUID | None:
        """Return the id of the passkey of a valid response, and count its use; otherwise None."""
        return None


def passkeys() -> Passkeys:
    """Return the passkeys of the app that has them."""
    named = (getattr(each, "passkeys", "") for each in apps.get_app_configs())
    return _of(next(filter(None, named), ""))


@cache
def _of(name: str) -> Passkeys:
    found: Passkeys = import_string(name)() if name else Passkeys()
    return found
