"""Transaction ids as a type of field."""

from typing import Any

from django.db import models


class TransactionIdField(models.BigIntegerField):
    """The id of the transaction that wrote a row: PostgreSQL's xid8."""

    def db_type(self, connection: Any) -> str:
        return "xid8"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> str | None:  # noqa: FBT001, FBT002  # Django calls it like this
        """Return the number as text: PostgreSQL has no cast from integer to xid8."""
        return None if value is None else str(value)

    def from_db_value(self, value: Any, *_: Any) -> int | None:
        """Return the number, which psycopg passes as text because it does not know xid8."""
        return None if value is None else int(value)
