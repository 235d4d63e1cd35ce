"""The register of policies: each version with its rules, sealed, in rows that never change."""

from datetime import timedelta
from functools import cached_property
from typing import Any

from django.db import models
from uuid_utils.compat import uuid7

from approvals.sealing import payloads
from audit.models.json import ObjectField
from audit.models.records import Evidence


class PolicySeal(Evidence):
    """One version of a policy, as its command left it.

    The application's role can only insert rows here, and a row without the key is not genuine. So
    no earlier version can return as the current one, and the foreign key keeps the policy.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    policy = models.ForeignKey(
        "approvals.Policy", on_delete=models.PROTECT, related_name="seals", db_index=False
    )
    version = models.PositiveIntegerField()
    governs = models.CharField(max_length=200)
    content = ObjectField()
    mac = models.TextField()

    class Meta:
        default_permissions = ()
        indexes = (
            models.Index(fields=("governs",), name="approvals_policyseal_governs"),
            models.Index(fields=("policy", "version"), name="approvals_policyseal_version"),
        )

    def __str__(self) -> str:
        return f"version {self.version} of the policy on {self.governs}"

    @classmethod
    def read(cls, *, content: str, **columns: Any) -> "PolicySeal":
        """Return a row as it is stored, whatever a forged one contains."""
        field: Any = cls._meta.get_field("content")
        return cls(content=field.from_db_value(content, None, None), **columns)

    @property
    def signed_content(self) -> bytes:
        """The content that the MAC covers."""
        content = [self.version, self.governs, self.content]
        return payloads.canonical(["policy", str(self.policy_id), *content])

    @cached_property
    def is_genuine(self) -> bool:
        """True if a command wrote this row: other rows have no valid MAC."""
        return payloads.is_signed(self.signed_content, self.mac)

    def sign(self) -> "PolicySeal":
        """Set the MAC, under the newest key."""
        self.mac = payloads.sign(self.signed_content)
        return self

    def columns(self) -> dict[str, Any]:
        """Return the columns of the policy at this version, without its rules."""
        columns = {name: value for name, value in self.content.items() if name != "rules"}
        columns.setdefault("signed_votes", False)
        for name in ("minimum_membership", "approve_within", "execute_within"):
            seconds = columns.pop(f"{name}_s")
            columns[name] = None if seconds is None else timedelta(seconds=seconds)
        columns["minimum_membership"] = columns["minimum_membership"] or timedelta()
        return columns | {"version": self.version, "governs": self.governs}
