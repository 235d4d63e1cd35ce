"""History rows: django-simple-history, stamped with the command that made the change."""

from functools import cache
from typing import Any

from django.db import models
from django.utils import timezone
from simple_history.models import HistoricalRecords as StockHistoricalRecords
from simple_history.utils import get_history_model_for_model

from audit.bus.context import Context, current_context
from audit.models.records import Evidence
from audit.wire import pipeline, rows

_DELETED = "-"


class HistoryRow(Evidence):
    """The command and the actor of a change. No foreign keys: the labels outlive their rows."""

    history_command_id = models.UUIDField(null=True)
    history_actor_kind = models.TextField(blank=True)
    history_actor_person = models.TextField(blank=True)
    history_actor_label = models.TextField(blank=True)

    class Meta:
        abstract = True


def _stamp(row: Any, context: Context | None) -> None:
    """Set the command's columns. Simple-history calls this as the setter of its user."""
    for name, value in _stamps(context).items() if context else ():
        setattr(row, name, value)


def _stamps(context: Context) -> dict[str, Any]:
    return {
        "history_command_id": context.command_id,
        "history_actor_kind": context.actor.kind,
        "history_actor_person": context.actor.person_id,
        "history_actor_label": context.actor.label,
    }


def _label(row: Any) -> str:
    return str(row.history_actor_label)


class HistoricalRecords(StockHistoricalRecords):
    """The history of a tracked model.

    A trigger refuses every write to the table of a tracked model outside a command.
    """

    def __init__(self, *, excluded_fields: tuple[str, ...] = ()) -> None:
        super().__init__(
            bases=(HistoryRow,),
            excluded_fields=list(excluded_fields),
            history_id_field=models.BigAutoField(),
            history_user_id_field=models.TextField(blank=True, default=""),
            history_user_getter=_label,
            history_user_setter=_stamp,
        )

    def get_history_user(self, instance: models.Model) -> Context | None:
        """Return the running command's context, for ``_stamp``, instead of a user."""
        return current_context()

    def get_change_reason_for_object(
        self,
        instance: models.Model,
        history_type: str,
        using: str | None,
    ) -> str:
        context = current_context()
        return context.reason if context else ""

    def create_historical_record(
        self, instance: models.Model, history_type: str, using: str | None = None
    ) -> None:
        """Enqueue the row, to be sent with the command record, if a dispatch has a pipeline.

        The database copies it from the changed row: building a model here took 70 µs more. A
        deletion is written at once, while there is a row to copy. Simple-history's signals are not
        sent: the history row does not exist yet, and they have no receivers.
        """
        context = current_context()
        deferring = pipeline.deferring(using=using)
        if context is None or deferring is None or history_type == _DELETED:
            super().create_historical_record(instance, history_type, using=using)
            return
        facts = {
            "history_date": timezone.now(),
            "history_type": history_type,
            "history_change_reason": context.reason,
            "history_user_id": "",
        }
        copy = rows.copied(instance, into=_history_of(type(instance)), **facts, **_stamps(context))
        deferring.enqueue(copy)

    def copy_fields(self, model: type[models.Model]) -> dict[str, Any]:
        """Return the fields without their indexes: history is read by object, with one index."""
        fields: dict[str, Any] = super().copy_fields(model)
        for field in fields.values():
            field.db_index = False
        return fields

    def get_meta_options(self, model: type[models.Model]) -> dict[str, Any]:
        """Add the index by object and date, which stays fast with tens of thousands of rows."""
        key, table = model._meta.pk, model._meta.db_table
        options: dict[str, Any] = super().get_meta_options(model)
        return options | {
            "default_permissions": ("view",),
            "indexes": (
                models.Index(
                    fields=(key.name, "-history_date", "-history_id"),
                    name=f"{table[:22]}_history",
                ),
            ),
        }


@cache
def _history_of(model: type[models.Model]) -> type[models.Model]:
    """Return the history model, cached: the manager's descriptor builds a class each time."""
    found: type[models.Model] = get_history_model_for_model(model)
    return found


def tracked_models(models_in_use: list[type[models.Model]]) -> list[type[models.Model]]:
    """Return the models that only a command may change."""
    return [
        model for model in models_in_use if hasattr(model._meta, "simple_history_manager_attribute")
    ]
