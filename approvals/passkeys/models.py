"""Passkeys, which commands register and end, and the counters of their signatures."""

from datetime import UTC
from functools import cached_property

from django.conf import settings
from django.db import models
from django.utils import timezone
from uuid_utils.compat import uuid7

from approvals.sealing import payloads
from audit.messages.characters import actor_name, quoted
from audit.models.constraints import check, one_line, within_calendar
from audit.models.lean import LeanModel
from audit.models.records import Evidence
from audit.subjects.types import subject

#: The longest id of a credential, in bytes: https://www.w3.org/TR/webauthn-3/#credential-id
_LONGEST_ID = 1023
_LONGEST_KEY = 4096


@subject("passkey", shown=("user_id", "name", "credential_id", "registered_at"))
class Passkey(LeanModel, Evidence):
    """A passkey of a person, as it was registered. Events in the log remove or reset it.

    ``credential_id`` is base64url, and so is ``public_key``, a COSE key. ``sign_count`` is that of
    the registration. ``command_id`` is the id of the command that registered it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    user_label = models.TextField("person")
    name = models.TextField()
    credential_id = models.TextField()
    public_key = models.TextField()
    sign_count = models.BigIntegerField()
    registered_at = models.DateTimeField(default=timezone.now)
    command_id = models.UUIDField()
    mac = models.TextField()

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("credential_id",), name="approvals_passkey_once"),
            check("approvals_passkey_time", within_calendar("registered_at")),
            check(
                "approvals_passkey_values",
                "sign_count BETWEEN 0 AND 4294967295",
                f"length(credential_id) BETWEEN 1 AND {_LONGEST_ID * 4 // 3 + 1}",
                f"length(public_key) BETWEEN 1 AND {_LONGEST_KEY}",
                one_line("name", longest=200),
            ),
        )

    def __str__(self) -> str:
        return f"passkey {quoted(self.name)} of {actor_name(self.user_label)}"

    subject_label = __str__

    @property
    def signed_content(self) -> bytes:
        """The content that the MAC covers."""
        return payloads.canonical(
            [
                "passkey",
                str(self.id),
                str(self.user_id),
                self.name,
                self.credential_id,
                self.public_key,
                self.sign_count,
                self.registered_at.astimezone(UTC).isoformat(),
                str(self.command_id),
            ]
        )

    @cached_property
    def is_genuine(self) -> bool:
        """True if a command wrote this row: other rows have no valid MAC."""
        return payloads.is_signed(self.signed_content, self.mac)

    def sign(self) -> None:
        """Set the MAC, under the newest key."""
        self.mac = payloads.sign(self.signed_content)


class PasskeyCounter(models.Model):
    """The counter of the last signature of a passkey. Many passkeys do not count: theirs is 0.

    It begins with that of the registration and only grows: a trigger refuses the rest, and sets
    the time.
    """

    privileges = ("SELECT", "INSERT", "UPDATE")

    passkey = models.OneToOneField(
        Passkey, on_delete=models.PROTECT, primary_key=True, related_name="counter"
    )
    sign_count = models.BigIntegerField()
    used_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        constraints = (
            check(
                "approvals_passkeycounter_values",
                "sign_count BETWEEN 0 AND 4294967295",
                within_calendar("used_at"),
            ),
        )

    def __str__(self) -> str:
        return f"{self.sign_count} signatures, the last at {self.used_at:%Y-%m-%d %H:%M} UTC"
