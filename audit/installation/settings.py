"""The setting COUNTERSIGN: one dict, in which every name has a default."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import cache
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.crypto import salted_hmac

NAME = "COUNTERSIGN"
#: The names of the keys, each of which is derived from SECRET_KEY unless it is set.
KEYS = ("FINGERPRINT_KEY", "PAYLOAD_KEYS", "EVIDENCE_KEY", "LOG_KEYS", "WEBHOOK_KEYS")

_AUTHORIZE = "audit.bus.authorization.authorize"
_DERIVED = "derived"
# Added to any time of this century, it is still one that Python and PostgreSQL have.
_LONGEST = timedelta(days=365_000)
_OF_TIME = (timedelta, timedelta | None)


def _middleware() -> Sequence[str]:
    """Return the dotted names of the middleware: authorization, then that of installed apps."""
    of_apps = (getattr(app, "command_middleware", ()) for app in apps.get_app_configs())
    return (_AUTHORIZE, *(name for names in of_apps for name in names))


def _derived(purpose: str) -> bytes:
    """Return 32 bytes that only someone with SECRET_KEY can compute."""
    return salted_hmac("countersign", purpose, algorithm="sha256").digest()


@dataclass(frozen=True, kw_only=True)
class Countersign:
    """The settings by which a project differs from the defaults; docs/settings.md explains each.

    Names in the dict are in capitals. Limits are pairs of attempts and seconds; None is no limit.
    """

    middleware: Sequence[str] = field(default_factory=_middleware)
    tenants_of_user: str | None = None
    sees_tenant_sql: str | None = None
    wire: str = "pipelined"
    base_url: str = ""
    trusted_proxies: int = 0
    max_waiters: int = 2
    record_page_views: bool = False
    guards: Mapping[str, str] = field(default_factory=dict)
    replay_middleware: Sequence[str] = ()
    drift_every: timedelta | None = timedelta(days=1)

    fingerprint_key: bytes = field(default_factory=lambda: _derived("fingerprints"), repr=False)
    payload_keys: Mapping[str, bytes] = field(
        default_factory=lambda: {_DERIVED: _derived("payloads")}, repr=False
    )
    evidence_key: bytes = field(default_factory=lambda: _derived("evidence"), repr=False)

    log_keys: Mapping[str, bytes] = field(
        default_factory=lambda: {_DERIVED: _derived("transparency log")}, repr=False
    )
    log_origin: str = ""
    log_directories: Sequence[str] = ()
    log_destinations: Sequence[str] = ()
    log_witnesses: Mapping[str, str] = field(default_factory=dict)
    log_publish_every: timedelta = timedelta(hours=1)
    log_published_within: timedelta = timedelta(hours=6)

    webhook_keys: Mapping[str, bytes] = field(
        default_factory=lambda: {_DERIVED: _derived("webhooks")}, repr=False
    )

    brokers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    webhook_ports: Sequence[int] = (443,)
    webhook_allow_private: bool = False
    webhook_keep: timedelta = timedelta(days=30)

    people_pages: bool = False
    single_sign_on: bool = False
    approve_within: timedelta = timedelta(days=7)
    delegate_up_to: timedelta = timedelta(days=14)
    notify: Sequence[str] = ()
    pick_ups: str | None = None

    session_idle: timedelta = timedelta(minutes=60)
    session_lasts: timedelta = timedelta(hours=12)
    second_factor: str = "off"
    step_up_after: timedelta | None = None
    password_checks: int = 3
    rate_limit_sign_in_per_account: tuple[int, int] | None = (10, 600)
    rate_limit_sign_in_per_address: tuple[int, int] | None = (60, 600)
    rate_limit_fails_open: bool = False

    def __post_init__(self) -> None:
        """Check the times.

        :raises ImproperlyConfigured: if one is not a time, negative, or longer than 365,000 days.
        """
        for each in fields(self):
            if each.type in _OF_TIME and not _is_time(getattr(self, each.name), each.type):
                raise ImproperlyConfigured(
                    f"{each.name.upper()} in {NAME} is not a timedelta from 0 to {_LONGEST.days} "
                    "days. Correct it: docs/settings.md has its unit and default."
                )


@cache
def countersign() -> Countersign:
    """Return the settings of this process.

    :raises ImproperlyConfigured: if the dict has an unknown name, or an invalid time.
    """
    known = {each.name.upper() for each in fields(Countersign)}
    if unknown := sorted(set(given()) - known):
        raise ImproperlyConfigured(
            f"{NAME} has no setting {', '.join(unknown)}. docs/settings.md lists all."
        )
    return Countersign(**{name.lower(): value for name, value in given().items()})


def given() -> Mapping[str, Any]:
    """Return what the project sets."""
    found: Mapping[str, Any] = getattr(settings, NAME, {})
    return found


def _is_time(value: Any, kind: Any) -> bool:
    if value is None:
        return kind is not timedelta
    return isinstance(value, timedelta) and timedelta(0) <= value <= _LONGEST


def _forget(*, setting: str, **_: Any) -> None:
    if setting in (NAME, "SECRET_KEY", "INSTALLED_APPS"):
        countersign.cache_clear()


setting_changed.connect(_forget)
