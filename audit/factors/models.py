"""Authenticator apps of people, and their recovery codes."""

import base64
import secrets
from contextlib import suppress
from time import time

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django_otp.oath import TOTP

from audit.factors import sealing
from audit.installation.encryption import Undecryptable
from audit.models.constraints import check, within_calendar

RECOVERY_CODES = 10
# RFC 4226, section 4: at least 128 bits, 160 recommended.
_KEY_LENGTH = 20
# RFC 6238, section 5.2: one step before and after, for the transmission and the clock.
_TOLERANCE = 1
_DIGITS = 6
_PARTS, _PART_LENGTH = 4, 5
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def new_key() -> bytes:
    """Return the key of a new authenticator app."""
    return secrets.token_bytes(_KEY_LENGTH)


def key_text(key: bytes) -> str:
    """Return a key as people type it into an authenticator app: in base32."""
    return base64.b32encode(key).decode()


class Authenticator(models.Model):
    """The authenticator app of a person, who has at most one.

    ``key`` is encrypted. ``last_step`` is the time step, in units of 30 seconds since 1970, of the
    newest code that was used: neither it nor an earlier one is valid again.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    key = models.BinaryField()
    last_step = models.BigIntegerField(default=-1)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        constraints = (
            check("audit_authenticator_key", "octet_length(key) BETWEEN 1 AND 500"),
            check("audit_authenticator_step", "last_step >= -1"),
            check("audit_authenticator_time", within_calendar("created_at")),
        )

    def __str__(self) -> str:
        return f"authenticator app of user {self.user_id}"

    @classmethod
    def of(cls, user_id: int) -> "Authenticator | None":
        """Return the authenticator app of a person."""
        return cls.objects.filter(user=user_id).first()

    @classmethod
    def locked(cls, user_id: int) -> "Authenticator | None":
        """Return it with its row locked, so that no code can be used twice."""
        return cls.objects.select_for_update().filter(user=user_id).first()

    @classmethod
    def replace(cls, user_id: int, *, key: bytes, code: str) -> list[str] | None:
        """Store the key if the code is right, and return new recovery codes; None if it is wrong.

        An earlier authenticator app, and its recovery codes, are no longer valid.
        """
        stored = sealing.encrypt(key, user_id=user_id)
        fresh = cls(user_id=user_id, key=stored)
        if not fresh._accepts(code):
            return None
        cls.remove(user_id)
        fresh.save(force_insert=True)
        codes = [_new_code() for _ in range(RECOVERY_CODES)]
        RecoveryCode.objects.bulk_create(
            RecoveryCode(authenticator=fresh, digest=sealing.digest(each, user_id=user_id))
            for each in map(_plain, codes)
        )
        return codes

    @classmethod
    def remove(cls, user_id: int) -> bool:
        """Delete the authenticator app of a person, with its recovery codes; False if none."""
        deleted, _ = cls.objects.filter(user=user_id).delete()
        return deleted > 0

    def use_code(self, code: str) -> bool:
        """Return True if a code of the app is right, which is then no longer valid."""
        if not self._accepts(code):
            return False
        self.save(update_fields=["last_step"])
        return True

    def use_recovery_code(self, code: str) -> bool:
        """Return True if a recovery code is right, which is then no longer valid."""
        digests = sealing.digests(_plain(code), user_id=self.user_id)
        deleted, _ = RecoveryCode.objects.filter(authenticator=self, digest__in=digests).delete()
        return deleted > 0

    def recovery_codes_left(self) -> int:
        return RecoveryCode.objects.filter(authenticator=self).count()

    def _accepts(self, code: str) -> bool:
        digits = "".join(code.split())
        if not (len(digits) == _DIGITS and digits.isascii() and digits.isdecimal()):
            return False
        with suppress(Undecryptable):
            totp = TOTP(sealing.decrypt(bytes(self.key), user_id=self.user_id))
            totp.time = time()
            if totp.verify(int(digits), tolerance=_TOLERANCE, min_t=self.last_step + 1):
                self.last_step = totp.t()
                return True
        return False


class RecoveryCode(models.Model):
    """A code for one sign-in without the authenticator app. Only its digest is stored."""

    authenticator = models.ForeignKey(
        Authenticator, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    digest = models.BinaryField()

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=("authenticator", "digest"), name="audit_recovery_code_once"
            ),
            check("audit_recovery_code_digest", "octet_length(digest) = 32"),
        )

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


def _new_code() -> str:
    """Return a recovery code with 100 random bits."""
    parts = ("".join(map(secrets.choice, [_ALPHABET] * _PART_LENGTH)) for _ in range(_PARTS))
    return "-".join(parts)


def _plain(code: str) -> str:
    """Return a recovery code without what people add or change when they type it."""
    return "".join(each for each in code.lower() if each.isalnum())
