"""System checks of the setting COUNTERSIGN: its keys are set."""

from typing import Any

from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's

from audit.installation.settings import KEYS, given

_HOW = "Set it in COUNTERSIGN to what `openssl rand -base64 32` prints, decoded: docs/settings.md."


@register(Tags.security)
def check_keys(**_: Any) -> list[CheckMessage]:
    """Warn of keys that are derived from SECRET_KEY, whose rotation would lose them."""
    return [
        Warning(
            f"{name} is derived from SECRET_KEY: what it has signed becomes invalid with the next "
            "SECRET_KEY.",
            hint=_HOW,
            id="countersign.W001",
        )
        for name in _derived_keys()
    ]


@register(Tags.security, deploy=True)
def check_keys_in_production(**_: Any) -> list[CheckMessage]:
    """Check that every key is set in production."""
    return [
        Error(f"{name} is not set, and derived from SECRET_KEY.", hint=_HOW, id="countersign.E001")
        for name in _derived_keys()
    ]


def _derived_keys() -> list[str]:
    return [name for name in KEYS if name not in given()]
