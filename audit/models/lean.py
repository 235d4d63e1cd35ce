"""Models and managers that use prepared statements instead of SQL compiled by the ORM."""

from collections.abc import Iterable
from typing import Any, ClassVar, Self, TypeVar

from django.db import DEFAULT_DB_ALIAS, models

from audit.wire import rows

_Model = TypeVar("_Model", bound=models.Model)


class LeanManager(models.Manager[_Model]):
    """A manager that reads and locks single rows by prepared statements.

    The columns are named as in the model, or ``pk``, and are compared for equality. No other filter
    applies, not even that of a related manager.
    """

    def locked(self, **columns: Any) -> _Model:
        """Return the row with these values, locked to the end of the transaction.

        :raises ObjectDoesNotExist: if there is no such row.
        """
        return rows.locked(self.model, **columns)

    def found(self, **columns: Any) -> _Model:
        """Return the row with these values.

        :raises ObjectDoesNotExist: if there is no such row.
        """
        return rows.found(self.model, **columns)

    def find(self, **columns: Any) -> _Model | None:
        """Return the row with these values, or None if there is none."""
        return rows.find(self.model, **columns)

    def every(self, **columns: Any) -> list[_Model]:
        """Return all rows with these values, in no particular order."""
        return rows.every(self.model, **columns)


class LeanModel(models.Model):
    """A model whose rows are inserted, and updated in part, by prepared statements."""

    objects: ClassVar[LeanManager[Self]] = LeanManager()

    class Meta:
        abstract = True

    def save(
        self,
        *,
        force_insert: bool | tuple[Any, ...] = False,
        update_fields: Iterable[str] | None = None,
        using: str | None = None,
        **options: Any,
    ) -> None:
        """Save a new row, or the given columns, by a prepared statement; else as Django does."""
        is_special = bool(options) or using not in (None, DEFAULT_DB_ALIAS)
        if update_fields and not (is_special or self._state.adding):
            rows.update(self, tuple(update_fields))
        elif force_insert and self.pk is not None and not is_special:
            rows.insert(self)
        else:
            super().save(
                force_insert=force_insert, update_fields=update_fields, using=using, **options
            )

    def add(self) -> None:
        """Insert this row, which conflicts with no other, together with the next statement."""
        rows.claim(self)
        self.save(force_insert=True)
