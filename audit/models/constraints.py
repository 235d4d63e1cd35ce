"""Check constraints of stored rows, and how migrations add them to tables in use."""

from collections.abc import Mapping
from typing import Any

from django.contrib.postgres.operations import AddConstraintNotValid, ValidateConstraint
from django.db import IntegrityError, models

# Readers add durations to times and convert them between time zones: no stored time is so close to
# the ends of the calendar that this fails. Infinity is outside, too.
_TIME = "({0} >= '2000-01-01' AND {0} < '9999-01-01')"


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
    """Return the condition that the columns hold JSON of this kind and at most this size."""
    return " AND ".join(
        f"(jsonb_typeof({each}) = '{kind}' AND pg_column_size({each}) <= {largest})"
        for each in columns
    )


class Validate(ValidateConstraint):
    """Validate a constraint, while commands continue; leave it not valid if older rows violate it.

    New rows are checked either way. ``manage.py check --deploy`` lists what is not valid.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, *states: Any) -> None:
        try:
            super().database_forwards(app_label, schema_editor, *states)
        except IntegrityError:
            print(f"\n    older rows violate {self.name}: it applies to new rows only", end="")  # noqa: T201  # as migrate does


def added(model: str, conditions: Mapping[str, str]) -> list[AddConstraintNotValid]:
    """Return the operations that add constraints, by name, without reading the table."""
    return [AddConstraintNotValid(model, check(*each)) for each in conditions.items()]
