"""The state of processes, and their timers."""

from django.db import models
from django.db.models.functions import Now

from audit.models.constraints import check, json_of, one_line, within_calendar
from audit.models.json import ObjectField

LONGEST_ERROR = 200


class ProcessInstance(models.Model):
    """A process that has begun and not finished. Its row is locked while it does anything.

    ``key`` is the value that its events have in common; empty if there is only one instance.
    """

    id = models.BigAutoField(primary_key=True)
    process = models.TextField()
    key = models.TextField(blank=True)
    state = ObjectField(default=dict)
    schema_version = models.PositiveIntegerField()
    began_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("process", "key"), name="audit_process_once"),
            check("audit_process_amounts", "schema_version >= 1"),
            check("audit_process_time", within_calendar("began_at")),
            check("audit_process_json", json_of("object", "state", largest=2**20)),
            check(
                "audit_process_ids",
                "process <> ''",
                one_line("process", longest=200),
                one_line("key", longest=200),
            ),
        )

    def __str__(self) -> str:
        return f"{self.process} of {self.key}" if self.key else self.process


class ProcessTimer(models.Model):
    """A step that a process will take, and when. ``command_id`` is the command that caused it.

    After a failure ``due_at`` is the time of the next attempt.
    """

    id = models.BigAutoField(primary_key=True)
    instance = models.ForeignKey(ProcessInstance, on_delete=models.PROTECT, db_index=False)
    step = models.TextField()
    due_at = models.DateTimeField()
    set_at = models.DateTimeField(db_default=Now())
    command_id = models.UUIDField(null=True)
    failures = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=("instance", "step"), name="audit_timer_once"),
            check("audit_timer_amounts", "failures >= 0"),
            check("audit_timer_time", within_calendar("due_at", "set_at")),
            check(
                "audit_timer_ids",
                "step <> ''",
                one_line("step", longest=200),
                one_line("error", longest=LONGEST_ERROR),
            ),
        )
        indexes = (
            models.Index(fields=("due_at",), name="audit_timer_due"),
            models.Index(
                fields=("due_at",),
                condition=models.Q(failures__gt=0),
                name="audit_timer_failed",
            ),
        )

    def __str__(self) -> str:
        return f"{self.step} at {self.due_at:%Y-%m-%d %H:%M} UTC"
