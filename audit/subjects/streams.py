"""Streams: the numbered events of each subject."""

from typing import Any, TypeVar, cast

from django.db.models import Model, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast, Coalesce

from audit.models.records import StreamHead
from audit.subjects import types

_Row = TypeVar("_Row", bound=Model)


def stream_number_sql(*, subject_type: str, subject_id: str) -> str:
    """Return an SQL expression for the number of a subject's last event; null if it has none.

    The subject is given as two SQL expressions.
    """
    return f"""(
        SELECT number FROM {StreamHead._meta.db_table}
        WHERE subject_type = {subject_type} AND subject_id = {subject_id})"""  # noqa: S608  # of our own names


def with_numbers(rows: QuerySet[_Row]) -> QuerySet[_Row]:
    """Read the number of each subject's last event with its row, as its attribute ``number``."""
    (name,) = (each.name for each in types.subject_types() if each.model is rows.model)
    heads = StreamHead.objects.filter(
        subject_type=name, subject_id=Cast(OuterRef("pk"), TextField())
    )
    numbered: Any = rows.annotate(number=Coalesce(Subquery(heads.values("number")), 0))
    return cast("QuerySet[_Row]", numbered)
