"""Ids that are taken from the sequence of a table before there is a row."""

from collections.abc import Callable

from django.db import connections, models, router


def from_sequence(model: type[models.Model]) -> Callable[[], int]:
    """Return a function that takes the next id of a model, for a field that is ``generated()``.

    An id that is not used leaves a gap.
    """

    def next_id() -> int:
        connection = connections[router.db_for_write(model)]
        table = connection.ops.quote_name(model._meta.db_table)
        column = model._meta.pk.column
        with connection.cursor() as cursor:
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, %s))", [table, column])
            (found,) = cursor.fetchone()
        return int(found)

    return next_id
