"""The viewsets that are measured beside ours: what one writes first, and nothing on top."""

from collections.abc import Iterator
from typing import Any, ClassVar

import reversion
from django.db import transaction
from django.urls import URLPattern, path
from rest_framework import serializers
from rest_framework.viewsets import ModelViewSet

from benchmarks.rivals.models import (
    AuditlogKey,
    PghistoryKey,
    PlainKey,
    ReversionKey,
    SimpleHistoryKey,
)

#: What version 1 shows of a key too, so the answers are of one size.
_FIELDS = ("id", "name", "is_enabled", "prefix", "created_at")
#: Each with the table that it keeps the history of.
MODELS: dict[str, Any] = {
    "plain": PlainKey,
    "simple-history": SimpleHistoryKey,
    "auditlog": AuditlogKey,
    "reversion": ReversionKey,
    "pghistory": PghistoryKey,
}


def viewset_of(model_class: Any) -> type[ModelViewSet]:
    """Write the viewset that one would write for a model."""

    class KeySerializer(serializers.ModelSerializer):
        class Meta:
            model = model_class
            fields = _FIELDS

    class KeyViewSet(ModelViewSet):
        queryset = model_class.objects.all()
        serializer_class: ClassVar[Any] = KeySerializer

    return KeyViewSet


def routes() -> Iterator[URLPattern]:
    """Route a PATCH of one key, for each of the packages."""
    for name, model_class in MODELS.items():
        view = viewset_of(model_class).as_view({"patch": "partial_update", "get": "retrieve"})
        if name == "reversion":
            view = reversion.create_revision()(view)
        # What ATOMIC_REQUESTS does. Without it, change and history are two transactions.
        kept = view if name == "plain" else transaction.atomic(view)
        yield path(f"rivals/{name}/<uuid:pk>", kept)
