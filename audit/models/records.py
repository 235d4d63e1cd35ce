"""Rows of the log: commands, events, the last number of each stream, and epochs."""

from datetime import timedelta
from functools import cache
from typing import Any, Self

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Collate, Lower

from audit.models.constraints import check, json_of, one_line, within_calendar
from audit.models.json import ObjectField
from audit.models.transaction_ids import TransactionIdField


class AppendOnly(models.Model):
    """Rows that are written once: the application's role may only select and insert them."""

    class Meta:
        abstract = True


class Evidence(AppendOnly):
    """Rows that are written once, and only by a command."""

    class Meta:
        abstract = True


class Record(AppendOnly):
    """A stored message and its place in the log.

    To follow the log, read by ``epoch``, ``xid`` and ``position`` and stop before the oldest
    transaction in progress; by position alone a reader would skip late commits.
    """

    position = models.BigIntegerField(
        primary_key=True, db_default=RawSQL("nextval('audit_position')", ())
    )
    epoch = models.IntegerField(db_default=1)
    xid = TransactionIdField(db_default=RawSQL("pg_current_xact_id()", ()))
    command_id = models.UUIDField()
    attempt = models.PositiveSmallIntegerField()
    message_type = models.TextField()
    schema_version = models.PositiveSmallIntegerField()
    data = ObjectField()
    subject_type = models.TextField(blank=True)
    subject_id = models.TextField(blank=True)
    tenant = models.TextField(blank=True)
    correlation_id = models.UUIDField()
    causation_id = models.UUIDField(null=True)

    class Meta:
        abstract = True


class Status(models.TextChoices):
    """The status of an attempt. Succeeded, refused and cancelled are final."""

    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    POSTPONED = "postponed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """True if the command can never run again."""
        return self not in (Status.POSTPONED, Status.FAILED)


_KIND = ("message_type", "status", "channel")
_IDS = ("message_type", "subject_type", "subject_id", "tenant")
_IDS_OF_COMMANDS = (
    *("actor_kind", "actor_id", "actor_person", "channel", "result_type", "result_id"),
    "error_code",
)
_AMOUNTS = ("attempt >= 1", "epoch >= 1", "schema_version >= 1")
_LONGEST_US = 10_000_000_000_000
_LARGEST_DATA = 16 * 2**20


class CommandRecord(Record):
    """One settled attempt at a command."""

    fingerprint = models.BinaryField()
    actor_kind = models.TextField()
    actor_id = models.TextField()
    actor_person = models.TextField(blank=True)
    actor_label = models.TextField()
    channel = models.TextField()
    reason = models.TextField(blank=True)
    request_id = models.TextField(blank=True)
    traceparent = models.TextField(blank=True)
    # NULL, not "", means no key: NULLs are distinct in the unique constraint.
    idempotency_key = models.TextField(null=True)  # noqa: DJ001
    client_address = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(blank=True)
    status = models.TextField(choices=Status.choices)
    error_code = models.TextField(blank=True)
    error_message = models.TextField(blank=True)
    result_type = models.TextField(blank=True)
    result_id = models.TextField(blank=True)
    received_at = models.DateTimeField()
    duration_us = models.BigIntegerField()
    retries = models.PositiveSmallIntegerField()
    decision = ObjectField(null=True)

    class Meta:
        verbose_name = "command"
        default_permissions = ("view",)
        permissions = (
            ("view_every_tenant", "Can see what belongs to any customer"),
            ("export_commandrecord", "Can export the log"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("command_id", "attempt"), name="audit_command_attempt_once"
            ),
            # Each release of a held command is a cause of its own; the request allows only one. So
            # a record that was inserted by hand does not take the place of the true one.
            models.UniqueConstraint(
                fields=("command_id", "causation_id"),
                condition=models.Q(status__in=("succeeded", "refused", "cancelled")),
                nulls_distinct=False,
                name="audit_command_final_by_cause",
            ),
            models.UniqueConstraint(
                fields=("actor_kind", "actor_id", "idempotency_key"),
                condition=models.Q(attempt=1),
                name="audit_command_idempotency_key_once",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=Status.values), name="audit_command_status_known"
            ),
            check("audit_command_time", within_calendar("received_at")),
            check("audit_command_amounts", "duration_us BETWEEN 0 AND 10000000000000", *_AMOUNTS),
            check(
                "audit_command_json",
                json_of("object", "data", largest=_LARGEST_DATA),
                "(decision IS NULL OR jsonb_typeof(decision) = 'object')",
            ),
            check("audit_command_ids", one_line(*_IDS, *_IDS_OF_COMMANDS, longest=4_000)),
        )
        indexes = (
            models.Index(fields=("epoch", "xid", "position"), name="audit_command_log_order"),
            # An included column is checked in the index; the rows are scattered over the table.
            models.Index(
                fields=("subject_type", "subject_id", "received_at", "position"),
                include=("tenant",),
                name="audit_command_subject_time",
            ),
            models.Index(fields=("correlation_id", "position"), name="audit_command_affair"),
            models.Index(
                fields=("tenant", "position"),
                include=("attempt", "channel"),
                name="audit_command_tenant_channel",
            ),
            models.Index(fields=("actor_kind", "actor_id", "position"), name="audit_command_actor"),
            models.Index(fields=("message_type", "position"), name="audit_command_type"),
            # Small: a success at the first attempt, the common case, is in none of these three.
            models.Index(
                fields=("status", "position"),
                condition=~models.Q(status="succeeded"),
                name="audit_command_not_succeeded",
            ),
            models.Index(
                fields=("tenant", "status", "position"),
                condition=~models.Q(status="succeeded"),
                name="audit_command_tenant_status",
            ),
            models.Index(
                fields=("status", "command_id"),
                condition=models.Q(attempt__gt=1),
                name="audit_command_later_attempt",
            ),
            models.Index(fields=("actor_person", "position"), name="audit_command_person"),
            # The index ranges that audit.log.search scans. Words in reasons have an index as well,
            # created by a migration: GIN over an expression, of rows with a reason.
            models.Index(fields=("received_at", "position"), name="audit_command_time"),
            models.Index(
                fields=("tenant", "received_at", "position"), name="audit_command_tenant_time"
            ),
            models.Index(
                fields=("status", "received_at", "position"),
                condition=~models.Q(status="succeeded"),
                name="audit_command_status_time",
            ),
            models.Index(
                fields=("tenant", "status", "received_at", "position"),
                condition=~models.Q(status="succeeded"),
                name="audit_command_tenant_stat_time",
            ),
            models.Index(fields=(*_KIND, "received_at", "position"), name="audit_command_kind"),
            models.Index(
                fields=("tenant", *_KIND, "received_at", "position"),
                name="audit_command_tenant_kind",
            ),
            models.Index(
                fields=("actor_kind", "actor_id", "tenant", "status", "received_at", "position"),
                include=("message_type", "channel"),
                name="audit_command_actor_kind_time",
            ),
            # What a search field finds by a request id or an IP address.
            models.Index(
                fields=("request_id", "tenant", "received_at", "position"),
                condition=~models.Q(request_id=""),
                name="audit_command_request",
            ),
            models.Index(
                fields=("client_address", "tenant", "received_at", "position"),
                condition=models.Q(client_address__isnull=False),
                name="audit_command_address",
            ),
            models.Index(
                Collate(Lower("actor_label"), "C"),
                "actor_kind",
                "actor_id",
                name="audit_command_name",
            ),
        )

    def __str__(self) -> str:
        return f"{self.message_type} {self.command_id}, attempt {self.attempt}"

    @property
    def duration(self) -> timedelta:
        """The duration of the attempt. Older rows may have one that no time can be added to."""
        return timedelta(microseconds=min(max(self.duration_us, 0), _LONGEST_US))

    @classmethod
    def of(cls, **columns: Any) -> Self:
        """Build a record from columns, as positional arguments: keywords take 20 µs more."""
        return cls(*(_blank_command() | columns).values())


@cache
def _blank_command() -> dict[str, Any]:
    return {field.attname: field.get_default() for field in CommandRecord._meta.concrete_fields}


class EventRecord(Record):
    """One fact, in the stream of its subject."""

    id = models.UUIDField(unique=True)
    number = models.BigIntegerField()
    occurred_at = models.DateTimeField()

    class Meta:
        verbose_name = "event"
        default_permissions = ("view",)
        constraints = (
            # With the position, it finds the newest events of a subject without reading rows.
            models.UniqueConstraint(
                fields=("subject_type", "subject_id", "number"),
                include=("position",),
                name="audit_event_number_once",
            ),
            check("audit_event_time", within_calendar("occurred_at")),
            check("audit_event_amounts", "number >= 1", *_AMOUNTS),
            check("audit_event_json", json_of("object", "data", largest=_LARGEST_DATA)),
            check("audit_event_ids", one_line(*_IDS, longest=4_000)),
        )
        indexes = (
            # For readers that follow the log, or only one tenant's part of it.
            models.Index(fields=("epoch", "xid", "position"), name="audit_event_log_order"),
            models.Index(
                fields=("tenant", "epoch", "xid", "position"), name="audit_event_tenant_order"
            ),
            models.Index(fields=("correlation_id", "position"), name="audit_event_affair"),
            models.Index(fields=("command_id",), name="audit_event_command"),
            models.Index(fields=("tenant", "position"), name="audit_event_tenant"),
            models.Index(fields=("message_type", "position"), name="audit_event_type"),
            BrinIndex(fields=("occurred_at",), name="audit_event_occurred", autosummarize=True),
        )

    def __str__(self) -> str:
        return f"{self.message_type} · {self.subject_type}:{self.subject_id} #{self.number}"


class StreamHead(models.Model):
    """The number of the last event of a subject."""

    pk = models.CompositePrimaryKey("subject_type", "subject_id")
    subject_type = models.TextField()
    subject_id = models.TextField()
    number = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.subject_type}:{self.subject_id} #{self.number}"


class Epoch(AppendOnly):
    """A part of the log with one numbering of transactions; a restore begins the next.

    ``server`` identifies the cluster, its timeline and the database. Before the transaction
    ``fork_xid`` of the epoch before, nothing that was delivered is missing on this server.
    """

    number = models.IntegerField(primary_key=True)
    began_at = models.DateTimeField()
    command_id = models.UUIDField(null=True)
    server = models.TextField(blank=True, default="")
    fork_xid = models.BigIntegerField(null=True)

    class Meta:
        default_permissions = ()
        permissions = (("begin_epoch", "Can begin an epoch of the log after a restore"),)

    def __str__(self) -> str:
        return f"epoch {self.number}"
