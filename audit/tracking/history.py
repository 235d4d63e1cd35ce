"""History tables: django-simple-history, stamped with the command that made the change.

The database writes the rows; see `audit.tracking.triggers`.
"""

from functools import cache
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import signals
from simple_history import register
from simple_history.models import HistoricalRecords as StockHistoricalRecords

from audit.models.records import Evidence


class HistoryRow(Evidence):
    """The command and the actor of a change. No foreign keys: the labels outlive their rows."""

    history_command_id = models.UUIDField(null=True)
    # NULL in older rows. With a check of the number, adding the column would read the whole table.
    history_attempt = models.SmallIntegerField(null=True)
    history_actor_kind = models.TextField(blank=True)
    history_actor_person = models.TextField(blank=True)
    history_actor_label = models.TextField(blank=True)

    class Meta:
        abstract = True


def _label(row: Any) -> str:
    return str(row.history_actor_label)


class HistoricalRecords(StockHistoricalRecords):
    """The history of a tracked model, which the database writes for every way of changing a row.

    ``part_of`` names the foreign key to a subject that rows of this model are part of: a change of
    one advances the subject's number, and is in its timeline. A change of ``silent_fields`` alone
    leaves no history; these are excluded from it, and need other evidence, such as a seal. A
    trigger refuses every write to the table of a tracked model outside a command.
    """

    def __init__(
        self,
        *,
        excluded_fields: tuple[str, ...] = (),
        silent_fields: tuple[str, ...] = (),
        part_of: str | None = None,
    ) -> None:
        super().__init__(
            bases=(HistoryRow,),
            excluded_fields=[*excluded_fields, *silent_fields],
            history_id_field=models.BigAutoField(),
            history_change_reason_field=models.TextField(null=True),
            history_user_id_field=models.TextField(blank=True, default=""),
            history_user_getter=_label,
        )
        self._silent_fields, self._part_of = silent_fields, part_of

    # Not by the setting, which is the project's, for its own histories.
    _date_indexing = False

    def create_history_model(self, model: type[models.Model], inherited: bool) -> Any:  # noqa: FBT001  # simple-history calls it like this
        """Return the history model, with what its triggers need to know beyond its columns."""
        history = super().create_history_model(model, inherited)
        history.silent_fields, history.part_of = self._silent_fields, self._part_of
        return history

    def finalize(self, sender: Any, **options: Any) -> None:
        """Attach the history, without receivers of signals: the trigger of the table writes it."""
        super().finalize(sender, **options)
        signals.post_save.disconnect(self.post_save, sender=sender)
        signals.post_delete.disconnect(self.post_delete, sender=sender)
        signals.pre_delete.disconnect(self.pre_delete, sender=sender)

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


def track_links(field: Any, *, part_of: str) -> None:
    """Keep the history of a many-to-many field of a tracked model, in that of its table.

    :param field: the attribute of the model class, such as ``Note.labels``.
    :param part_of: the foreign key in its table to the tracked model, such as ``note``.
    """
    register(field.through, records_class=HistoricalRecords, part_of=part_of)


def history_model(model: type[models.Model]) -> type[models.Model] | None:
    """Return the model of the history that the database writes, or None if there is none."""
    name = getattr(model._meta, "simple_history_manager_attribute", None)
    return _history_under(model, name) if name else None


@cache
def _history_under(model: type[models.Model], name: str) -> type[models.Model] | None:
    # Each access makes a class for the manager: half a millisecond.
    history: Any = getattr(model, name).model
    return history if issubclass(history, HistoryRow) else None


def written_models() -> list[type[models.Model]]:
    """Return the tracked models whose history the database writes."""
    return [each for each in apps.get_models(include_auto_created=True) if history_model(each)]
