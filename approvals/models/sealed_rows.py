"""Rows of requests: sealed when they are written, and verified before any code reads them."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Self

from django.db import models

from approvals.models.states import ALTERED
from approvals.sealing import payloads
from audit.messages.classes import Command
from audit.models.lean import LeanModel

# The rest belongs to the payload, which has a seal of its own. The sealed format is stored.
_SEALED = (
    *("id", "command_id", "message_type", "tenant", "subject_type", "subject_id"),
    *("requester_kind", "requester_id", "requester_person", "requester_label", "channel", "reason"),
    *("requested_at", "approve_by", "execute_by", "requirements"),
    *("state", "decided_at", "outcome", "outcome_code", "is_retriable"),
)
# What decides or is believed. The rest finds and orders the row in lists.
_SET_ASIDE = (
    *("subject_type", "subject_id", "requester_kind", "requester_id", "requester_person"),
    *("requester_label", "channel", "reason", "outcome", "outcome_code"),
)


class SealedRow(LeanModel):
    """A request that is verified as it is read.

    If its seal is missing or invalid, it is set aside: the state is ``altered``, there are no
    requirements, and no text of it is shown. So it neither decides anything nor breaks a reader.
    """

    row_seal = models.TextField(db_default="")

    state: Any
    voters: Any
    approver_groups: Any
    execute_after: Any
    payload: Any
    seal: Any
    digest: Any
    _verified: tuple[object, payloads.Unsealed] | None = None

    class Meta:
        abstract = True

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any
    ) -> Self:
        row = super().from_db(db, field_names, values, **options)
        # A part of a row cannot be verified.
        is_whole = len(field_names) == len(cls._meta.concrete_fields)
        if not is_whole or not payloads.is_signed(row.signed_row, row.row_seal):
            row.set_aside()
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Return the row that PostgreSQL wrote as JSON, without its bytes."""
        fields: Any = cls._meta.concrete_fields
        is_bytes = [isinstance(field, models.BinaryField) for field in fields]
        values = [
            b"" if skip else field.to_python(row[field.column])
            for field, skip in zip(fields, is_bytes, strict=True)
        ]
        return cls.from_db(None, [field.attname for field in fields], values)

    @property
    def signed_row(self) -> bytes:
        """The content that the seal of the row covers."""
        content = {name: _plain(getattr(self, name)) for name in _SEALED}
        # The seals of earlier versions, which did not store these, stay valid.
        if self.voters is not None:
            content["voters"] = self.voters
        if self.approver_groups is not None:
            content["approver_groups"] = self.approver_groups
        if self.execute_after is not None:
            content["execute_after"] = _plain(self.execute_after)
        return payloads.canonical(["request", content])

    def seal_row(self) -> None:
        """Set the seal of the row, under the newest key."""
        self.row_seal = payloads.sign(self.signed_row)

    @property
    def is_intact(self) -> bool:
        """True if the row is as its last command left it."""
        return bool(self.state != ALTERED)

    @property
    def is_payload_intact(self) -> bool:
        """True if the payload is what was sealed for this row, whether it can be loaded or not."""
        try:
            self.unsealed()
        except payloads.Altered:
            return False
        except payloads.Unloadable:
            return True
        return True

    @property
    def binding(self) -> payloads.Binding:
        """The values of this row that the seal of the payload covers."""
        return payloads.Binding.of(self)

    def command(self) -> Command:
        """Return the held command.

        :raises Unloadable: if the payload is not what was sealed for this row.
        """
        return self.unsealed().command

    def unsealed(self) -> payloads.Unsealed:
        """Return the content of the payload, after its seal and its digest are verified.

        :raises Unloadable: if the payload is not what was sealed for this row.
        """
        sealed, binding = payloads.Sealed(bytes(self.payload), self.seal), self.binding
        content = (sealed, binding, self.digest)
        # It is verified again only if one of the verified values has changed.
        if self._verified is None or self._verified[0] != content:
            unsealed = payloads.unseal(sealed, binding)
            if unsealed.digest != self.digest:
                raise payloads.Altered
            self._verified = (content, unsealed)
        return self._verified[1]

    def as_stored(self) -> Self:
        """Return the row with its stored values, unverified. Only to decide about its seal."""
        names = [field.attname for field in self._meta.concrete_fields]
        (values,) = type(self)._base_manager.filter(pk=self.pk).values_list(*names)
        return super().from_db(self._state.db, names, values)

    def set_aside(self) -> None:
        """Empty what decides or is believed."""
        nothing: dict[str, Any] = {"policies": [], "rules": [], "options": {}}
        self.__dict__.update(dict.fromkeys(_SET_ASIDE, ""))
        self.__dict__.update(state=ALTERED, is_retriable=False, requirements=nothing)


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case None | bool() | dict() | list():
            return value
        case _:
            return str(value)
