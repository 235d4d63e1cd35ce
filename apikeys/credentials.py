"""The secrets of API keys: how they look, and whom they stand for.

A token reads ``cs_live_``, 27 random characters and 6 of checksum, all base62:

    cs_live_[0-9A-Za-z]{33}

27 characters of base62 are 160 bits. The checksum is the CRC-32 of what stands before it, so
mistyped and made-up tokens are told without a question to the database, also by secret scanners.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from uuid import UUID

import psycopg
from django.db import connection

from audit.actors import Actor
from audit.registry import credential

PATTERN = re.compile(r"cs_live_[0-9A-Za-z]{33}")
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM_LENGTH = 27
_CHECKSUM_LENGTH = 6
_SHOWN_LENGTH = len("cs_live_") + 4


class BadCredential(Exception):
    """A credential is not good; the reason is for the log, never for the caller."""


@dataclass(frozen=True, slots=True)
class Token:
    """A secret, with what may be shown and what may be stored of it."""

    text: str = field(repr=False)

    @classmethod
    def generate(cls) -> Self:
        """Make a new one from the operating system's randomness."""
        body = "cs_live_" + "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
        return cls(body + _checksum(body))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take what a caller sent.

        :raises BadCredential: if no token of ours looks like that.
        """
        if not PATTERN.fullmatch(text):
            raise BadCredential("malformed")
        body, checksum = text[:-_CHECKSUM_LENGTH], text[-_CHECKSUM_LENGTH:]
        if _checksum(body) != checksum:
            raise BadCredential("wrong checksum")
        return cls(text)

    @property
    def digest(self) -> bytes:
        """SHA-256, which is enough for 160 random bits (OWASP ASVS 5.0, 6.5.2)."""
        return hashlib.sha256(self.text.encode()).digest()

    @property
    def prefix(self) -> str:
        """The first characters, by which people tell their keys apart."""
        return self.text[:_SHOWN_LENGTH]


class _Row(NamedTuple):
    """A key with all that decides whether it is good and what it may do."""

    id: UUID
    name: str
    prefix: str
    is_enabled: bool
    customer_id: UUID
    owner_id: int
    owner: str
    is_owner_active: bool
    is_owner_member: bool
    permissions: list[str]
    has_expired: bool


_SELECT = """
    SELECT api_key.id, api_key.name, api_key.prefix, api_key.is_enabled, api_key.customer_id,
        owner.id, owner.username, owner.is_active,
        EXISTS (SELECT FROM apikeys_membership AS membership
            WHERE membership.user_id = owner.id
                AND membership.customer_id = api_key.customer_id),
        ARRAY(SELECT content_type.app_label || '.' || permission.codename
            FROM auth_permission AS permission
            JOIN django_content_type AS content_type
                ON content_type.id = permission.content_type_id
            WHERE owner.is_superuser
                OR permission.id IN (SELECT permission_id FROM auth_user_user_permissions
                    WHERE user_id = owner.id)
                OR permission.id IN (SELECT granted.permission_id
                    FROM auth_group_permissions AS granted
                    JOIN auth_user_groups AS belonging USING (group_id)
                    WHERE belonging.user_id = owner.id)),
        coalesce(secret.not_after <= now(), FALSE)
    FROM apikeys_apikey AS api_key
    JOIN auth_user AS owner ON owner.id = api_key.owner_id
"""
_BY_DIGEST = f"{_SELECT} JOIN apikeys_apikeysecret AS secret ON secret.api_key_id = api_key.id "
_BY_DIGEST += "WHERE secret.digest = %s"
_BY_ID = f"{_SELECT} CROSS JOIN (SELECT NULL::timestamptz AS not_after) AS secret "
_BY_ID += "WHERE api_key.id = %s::uuid"


def actor_of_token(text: str) -> Actor:
    """Find who a secret stands for: one query, and none for what is no token.

    :raises BadCredential: if it is not good now.
    """
    return _actor(_fetch(_BY_DIGEST, Token.parse(text).digest))


@credential("api_key")
def live_api_key(identifier: str) -> Actor | None:
    """Find who a key stands for, if it is still good."""
    try:
        return _actor(_fetch(_BY_ID, identifier))
    except BadCredential:
        return None


def _actor(row: _Row) -> Actor:
    for is_bad, reason in (
        (not row.is_enabled, "disabled"),
        (row.has_expired, "expired"),
        (not row.is_owner_active, "owner not active"),
        (not row.is_owner_member, "owner left the customer"),
    ):
        if is_bad:
            raise BadCredential(reason)
    return Actor(
        kind="api_key",
        id=str(row.id),
        label=f"{row.owner}, with key “{row.name}” ({row.prefix}…)",
        person_id=str(row.owner_id),
        tenants=frozenset({str(row.customer_id)}),
        permissions=frozenset(row.permissions),
    )


def _fetch(sql: str, key: bytes | str) -> _Row:
    """Fetch by a prepared statement, past the ORM: every request of a program begins here."""
    connection.ensure_connection()
    with connection.wrap_database_errors:
        row = psycopg.Cursor(connection.connection).execute(sql, [key], prepare=True).fetchone()
    if row is None:
        raise BadCredential("unknown")
    return _Row(*row)


def _checksum(body: str) -> str:
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits
