"""One table five times over: plain, and under each of the packages that keep a history."""

import pghistory
import reversion
from auditlog.registry import auditlog
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from apikeys.models import Customer


class _Key(models.Model):
    """The columns of an API key of ours."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=100)
    description = models.CharField(max_length=500, blank=True, default="")
    environment = models.CharField(max_length=4, default="live")
    prefix = models.CharField(max_length=20, blank=True)
    scopes = ArrayField(models.TextField(), default=list)
    allowed_networks = ArrayField(models.TextField(), default=list, blank=True)
    not_before = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.name


class PlainKey(_Key):
    """Nothing is kept of how it came about."""


class SimpleHistoryKey(_Key):
    """A row of history a change, by a signal."""

    history = HistoricalRecords()


class AuditlogKey(_Key):
    """A change as JSON, written by a signal."""


class ReversionKey(_Key):
    """A serialized version a request, by a middleware."""


@pghistory.track()
class PghistoryKey(_Key):
    """A row of history a change, by a trigger."""


auditlog.register(AuditlogKey)
reversion.register(ReversionKey)
