"""Settings from the environment: typed, and checked early with errors that say what to write.

No message repeats a value, because it may be a secret. An empty value counts as missing.
"""

import base64
import binascii
import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict

SHORTEST_KEY = 32

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_HOW_TO_MAKE_A_KEY = "openssl rand -base64 32"
# Added to any time of this century, it is still one that Python and PostgreSQL have.
_LONGEST = timedelta(days=365_000)


class Limit(NamedTuple):
    """A rate limit: a number of requests in a number of seconds."""

    requests: int
    seconds: int


def text(name: str, *, default: str | None = None) -> str:
    """Return the value of `name`.

    :raises ImproperlyConfigured: if it is missing and has no default.
    """
    value = os.environ.get(name, "").strip() or default
    if value is None:
        raise ImproperlyConfigured(
            f"{name} is missing. Set it in the environment; docs/settings.md has an example."
        )
    return value


def flag(name: str, *, default: bool) -> bool:
    """Return a boolean.

    :raises ImproperlyConfigured: if it is not one.
    """
    value = text(name, default=str(default)).lower()
    if value not in (*_TRUE, *_FALSE):
        raise ImproperlyConfigured(
            f"{name} is neither true nor false. Set {name}=true or {name}=false."
        )
    return value in _TRUE


def number(name: str, *, default: int, least: int = 0) -> int:
    """Return a whole number.

    :raises ImproperlyConfigured: if it is not one, or below `least`.
    """
    value = text(name, default=str(default))
    if not re.fullmatch(r"[0-9]{1,12}", value) or int(value) < least:
        raise ImproperlyConfigured(
            f"{name} is not a whole number of at least {least}. For example: {name}={default}."
        )
    return int(value)


def duration(
    name: str, *, unit: Literal["minutes", "hours", "days"], default: int, least: int = 0
) -> timedelta:
    """Return a time, written as a whole number of minutes, hours or days.

    :raises ImproperlyConfigured: if it is not one, below `least`, or longer than 365,000 days.
    """
    value = text(name, default=str(default))
    most = _LONGEST // timedelta(**{unit: 1})
    if not re.fullmatch(r"[0-9]{1,12}", value) or not least <= int(value) <= most:
        raise ImproperlyConfigured(
            f"{name} is not a whole number of {unit} from {least} to {most}. "
            f"For example: {name}={default}."
        )
    return timedelta(**{unit: int(value)})


def day(name: str, *, default: str) -> date:
    """Return a date.

    :raises ImproperlyConfigured: if it is not one.
    """
    value = text(name, default=default)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} is not a date. For example: {name}={default}."
        ) from None


def limit(name: str, *, default: str) -> Limit | None:
    """Return a limit, written as `requests/seconds`; None for `none`.

    An empty value means the default, as everywhere: no limit is turned off by accident.

    :raises ImproperlyConfigured: if it is not a limit, or allows no requests.
    """
    value = text(name, default=default)
    if value == "none":
        return None
    match = re.fullmatch(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,4})", value)
    if not match:
        raise ImproperlyConfigured(
            f"{name} is not a limit. Set requests/seconds, for example {name}={default}, "
            f"or {name}=none."
        )
    return Limit(int(match[1]), int(match[2]))


def choice(name: str, *, among: tuple[str, ...]) -> str:
    """Return one of the values in `among`, by default the first.

    :raises ImproperlyConfigured: if it is another value.
    """
    value = text(name, default=among[0])
    if value not in among:
        raise ImproperlyConfigured(f"{name} is unknown. Set one of: {', '.join(among)}.")
    return value


def listing(name: str, *, default: str | None = None) -> list[str]:
    """Return the values of a comma-separated list.

    :raises ImproperlyConfigured: if it is missing and has no default.
    """
    return [item.strip() for item in text(name, default=default).split(",") if item.strip()]


def pairs(name: str) -> dict[str, str]:
    """Return the pairs of a comma-separated list, each with a space between its halves.

    :raises ImproperlyConfigured: if one is not a pair.
    """
    found = [each.split() for each in listing(name, default="")]
    if any(len(each) != 2 for each in found):  # noqa: PLR2004  # a pair
        raise ImproperlyConfigured(
            f"{name} is not a list of pairs. For example: {name}=https://witness.example/ <key>."
        )
    return {each[0]: each[1] for each in found}


def ports(name: str, *, default: str) -> list[int]:
    """Return a comma-separated list of ports.

    :raises ImproperlyConfigured: if one is not a port.
    """
    found = listing(name, default=default)
    if not all(re.fullmatch(r"[1-9][0-9]{0,4}", each) and int(each) < 2**16 for each in found):
        raise ImproperlyConfigured(
            f"{name} is not a list of ports. For example: {name}={default},8443."
        )
    return [int(each) for each in found]


def path(name: str, *, default: Path) -> Path:
    return Path(text(name, default=str(default))).resolve()


def key(name: str) -> bytes:
    """Return a secret key, written in base64.

    :raises ImproperlyConfigured: if it is missing, not base64, or shorter than 32 bytes.
    """
    return _decoded(text(name), name=name)


def seed(name: str) -> bytes:
    """Return the seed of a signing key, written in base64.

    :raises ImproperlyConfigured: if it is missing, not base64, or not of 32 bytes.
    """
    found = key(name)
    if len(found) != SHORTEST_KEY:
        raise ImproperlyConfigured(
            f"{name} is not {SHORTEST_KEY} bytes in base64. Generate one with: {_HOW_TO_MAKE_A_KEY}"
        )
    return found


def keys(name: str) -> dict[str, bytes]:
    """Return keys by id, in the order in which they are written: the newest first.

    The format is `id:base64,id:base64`, so that a new key can sign while an old one still verifies.

    :raises ImproperlyConfigured: if one is malformed or short, or an id is used twice.
    """
    found: dict[str, bytes] = {}
    for entry in listing(name):
        key_id, _, encoded = entry.partition(":")
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,32}", key_id) or key_id in found:
            raise ImproperlyConfigured(
                f"{name} has an entry whose id is missing, malformed or used twice. Write "
                f"{name}=k2:<key>,k1:<key>, newest first; generate a key with: {_HOW_TO_MAKE_A_KEY}"
            )
        found[key_id] = _decoded(encoded, name=name)
    return found


def seeds(name: str) -> dict[str, bytes]:
    """Return seeds of signing keys by id, written as `keys` are.

    :raises ImproperlyConfigured: if one is malformed, not of 32 bytes, or there twice.
    """
    found = keys(name)
    if len(set(found.values())) < len(found):
        raise ImproperlyConfigured(
            f"{name} holds the same key under two ids. Remove one of the two entries; "
            f"generate a new key with: {_HOW_TO_MAKE_A_KEY}"
        )
    if any(len(each) != SHORTEST_KEY for each in found.values()):
        raise ImproperlyConfigured(
            f"{name} holds a key that is not {SHORTEST_KEY} bytes in base64. "
            f"Generate one with: {_HOW_TO_MAKE_A_KEY}"
        )
    return found


def database(name: str, *, default: str | None = None) -> dict[str, Any]:
    """Return the Django settings of a database given by a URL, which libpq parses.

    A socket is written `postgresql://user@/database?host=/its/directory&port=5432`; all other
    parameters, such as `sslmode`, become OPTIONS.

    :raises ImproperlyConfigured: if it is not a PostgreSQL URL or names no database.
    """
    parts = _url_parts(text(name, default=default), name=name)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname"),
        **{each.upper(): parts.pop(each, "") for each in ("user", "password", "host", "port")},
        "OPTIONS": parts,
    }


def _url_parts(url: str, *, name: str) -> dict[str, str]:
    refusal = ImproperlyConfigured(
        f"{name} is not the URL of a PostgreSQL database. Write {name}="
        "postgresql://user:password@host:5432/database, with special characters of "
        "the password percent-encoded: %40 for @, %2F for /."
    )
    if not url.startswith(("postgresql://", "postgres://")):
        raise refusal
    try:
        parts = {part: str(value) for part, value in conninfo_to_dict(url).items()}
    except psycopg.Error:
        # libpq's message quotes the part that it could not parse, which may be the password.
        raise refusal from None
    if not parts.get("dbname") or not re.fullmatch(r"[0-9,]*", parts.get("port", "")):
        raise refusal
    return parts


def _decoded(encoded: str, *, name: str) -> bytes:
    try:
        decoded = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) < SHORTEST_KEY:
        raise ImproperlyConfigured(
            f"{name} holds a key that is not {SHORTEST_KEY} or more bytes in base64. "
            f"Generate one with: {_HOW_TO_MAKE_A_KEY}"
        )
    return decoded
