"""Check constraints of stored rows, and how migrations add them to tables in use."""

import time
from collections.abc import Iterable
from typing import Any

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import IntegrityError, OperationalError, migrations, models, transaction

# Readers add durations to times and convert them between time zones: no stored time is so close to
# the ends of the calendar that this fails. Infinity is outside, too.
_TIME = "({0} >= '2000-01-01' AND {0} < '9999-01-01')"
_MOST_LOCK_ATTEMPTS = 60


def check(name: str, *conditions: str) -> models.CheckConstraint:
    """Return a constraint that the conditions, in SQL, are not false."""
    condition = models.Func(template=" AND ".join(conditions), output_field=models.BooleanField())
    return models.CheckConstraint(condition=condition, name=name)


def within_calendar(*columns: str) -> str:
    """Return the condition that the times of some columns are finite, from 2000 to 9998."""
    return " AND ".join(map(_TIME.format, columns))


def one_line(*columns: str, longest: int) -> str:
    """Return the condition that the texts of some columns have no control characters."""
    joined = " || ".join(columns)
    # One comparison for all columns: each takes as long as the rest of a constraint.
    return f"(({joined}) !~ '[[:cntrl:]]' AND length({joined}) <= {longest})"


def json_of(kind: str, *columns: str, largest: int) -> str:
    """Return the condition that the columns hold JSON of this kind, in so many bytes at most."""
    return " AND ".join(
        f"(jsonb_typeof({each}) = '{kind}' AND pg_column_size({each}) <= {largest})"
        for each in columns
    )


class Lock(migrations.RunPython):
    """Lock tables for a short change, without blocking commands while it waits for others."""

    def __init__(self, *tables: str) -> None:
        self.tables = tables
        super().__init__(self._lock, migrations.RunPython.noop)

    def deconstruct(self) -> tuple[str, tuple[str, ...], dict[str, Any]]:
        return type(self).__name__, self.tables, {}

    def _lock(self, _: Any, schema_editor: Any) -> None:
        for attempt in range(1, _MOST_LOCK_ATTEMPTS + 1):
            try:
                with (
                    transaction.atomic(using=schema_editor.connection.alias),
                    schema_editor.connection.cursor() as cursor,
                ):
                    # Commands that come later queue behind this, so it gives way soon.
                    cursor.execute("SET LOCAL lock_timeout = '500ms'")
                    cursor.execute(f"LOCK TABLE {', '.join(self.tables)} IN ACCESS EXCLUSIVE MODE")
            except OperationalError:
                if attempt == _MOST_LOCK_ATTEMPTS:
                    raise
                time.sleep(1)
            else:
                return


class Validate(ValidateConstraint):
    """Validate a constraint, while commands continue; leave it not valid if older rows violate it.

    New rows are checked either way. ``manage.py check --deploy`` lists what is not valid.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        try:
            super().database_forwards(app_label, schema_editor, *states)
        except IntegrityError:
            print(f"\n    older rows violate {self.name}: it applies to new rows only", end="")  # noqa: T201  # as migrate does


def added(model: str, constraints: Iterable[models.CheckConstraint]) -> list[AddConstraintNotValid]:
    """Return the operations that add constraints without reading the table."""
    return [AddConstraintNotValid(model, each) for each in constraints]
