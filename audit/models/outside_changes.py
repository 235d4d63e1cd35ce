"""Reports of changes outside commands, by tables whose guard reports them."""

from typing import ClassVar

from django.db import models
from django.db.models.functions import Now


class OutsideChange(models.Model):
    """A statement that changed a table outside a command. The guard of the table writes it.

    ``source`` is the file and line that caused it, if it came through Django; ``program`` is the
    name of the application, as the connection has it, and ``role`` the role of the database.
    """

    privileges: ClassVar = ("SELECT",)

    at = models.DateTimeField(db_default=Now())
    table_name = models.TextField()
    operation = models.TextField()
    program = models.TextField(blank=True)
    role = models.TextField()
    source = models.TextField(blank=True)

    class Meta:
        default_permissions = ()
        indexes = (models.Index(fields=("table_name", "at"), name="audit_outside_table_time"),)

    def __str__(self) -> str:
        return f"{self.operation} of {self.table_name} by {self.source or self.program}"
