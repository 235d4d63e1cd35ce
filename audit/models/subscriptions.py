"""The state of subscriptions: how far each one has come, and the events that it has set aside."""

from django.db import models
from django.db.models.functions import Now

from audit.models.constraints import check, one_line, within_calendar
from audit.models.transaction_ids import TransactionIdField

LONGEST_ERROR = 1_000


class Checkpoint(models.Model):
    """The place of one partition of a subscription: everything up to it is dealt with.

    A transactional subscription moves it in the transaction of its effects. The one of a
    subscription with effects outside the database is leased: until ``leased_until``, only the
    worker with the ``lease`` may move it.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        PAUSED = "paused"

    pk = models.CompositePrimaryKey("name", "partition")
    name = models.TextField()
    partition = models.PositiveSmallIntegerField()
    partitions = models.PositiveSmallIntegerField()
    epoch = models.IntegerField()
    xid = TransactionIdField()
    position = models.BigIntegerField()
    state = models.TextField(choices=State.choices, default=State.RUNNING)
    handled = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    rate = models.FloatField(default=0, db_default=0)
    started_at = models.DateTimeField(db_default=Now())
    moved_at = models.DateTimeField(db_default=Now())
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        permissions = (
            ("manage_subscriptions", "Can pause and resume subscriptions, retry and skip events"),
        )
        constraints = (
            check(
                "audit_checkpoint_amounts",
                "partition >= 0 AND partition < partitions AND partitions <= 64",
                "epoch >= 0 AND position >= 0 AND handled >= 0 AND failed >= 0",
            ),
            check("audit_checkpoint_rate", "rate >= 0 AND rate < 1e9"),
            check("audit_checkpoint_state", "state IN ('running', 'paused')"),
            check(
                "audit_checkpoint_time",
                within_calendar("started_at", "moved_at"),
                f"(leased_until IS NULL OR {within_calendar('leased_until')})",
            ),
            check("audit_checkpoint_ids", "name <> ''", one_line("name", longest=200)),
            check("audit_checkpoint_lease", "(lease IS NULL) = (leased_until IS NULL)"),
        )

    def __str__(self) -> str:
        return f"{self.name}, partition {self.partition} of {self.partitions}"


class Setback(models.Model):
    """An event that a subscription has set aside: it failed, or an earlier one of its subject did.

    The lowest number of a subject is retried at ``next_try_at``, or is parked after the last
    attempt; the others wait for it.
    """

    class State(models.TextChoices):
        RETRYING = "retrying"
        WAITING = "waiting"
        PARKED = "parked"

    pk = models.CompositePrimaryKey("name", "subject_type", "subject_id", "number")
    name = models.TextField()
    partition = models.PositiveSmallIntegerField()
    subject_type = models.TextField(blank=True)
    subject_id = models.TextField(blank=True)
    number = models.BigIntegerField()
    event_id = models.UUIDField()
    state = models.TextField(choices=State.choices)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    set_aside_at = models.DateTimeField(db_default=Now())
    error_code = models.TextField(blank=True)
    error = models.TextField(blank=True)

    class Meta:
        default_permissions = ()
        constraints = (
            check("audit_setback_amounts", "partition >= 0 AND number >= 1 AND attempts >= 0"),
            check(
                "audit_setback_state",
                "state IN ('retrying', 'waiting', 'parked')",
                "(state = 'retrying') = (next_try_at IS NOT NULL)",
            ),
            check(
                "audit_setback_time",
                within_calendar("set_aside_at"),
                f"(next_try_at IS NULL OR {within_calendar('next_try_at')})",
            ),
            check(
                "audit_setback_ids",
                one_line("name", "subject_type", "subject_id", "error_code", longest=4_000),
                one_line("error", longest=LONGEST_ERROR),
            ),
        )
        indexes = (
            models.Index(
                fields=("name", "partition", "next_try_at"),
                condition=models.Q(state="retrying"),
                name="audit_setback_due",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.subject_type}:{self.subject_id} #{self.number}"
