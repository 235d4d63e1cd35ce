"""Query sets of requests that SQL narrows down and Python decides."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Self, TypeAlias, TypeVar
from uuid import UUID

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Case, Q, QuerySet, When

from approvals.models import ApprovalRequest
from approvals.requests.voting.arrays import IsAnyOf

_MOST_AT_ONCE = 1_000
_Row = TypeVar("_Row")

#: Returns the ids of those, among given requests, that belong to a query set.
Belonging: TypeAlias = Callable[[Collection[ApprovalRequest]], Collection[UUID]]


class Evaluated(QuerySet[ApprovalRequest]):
    """Requests of which the doubtful ones are evaluated after they were read.

    The annotation ``is_certain`` is false for a doubtful one, such as one that a later policy with
    a condition may govern. ``kept`` returns the ids of those, among given ones, that belong here.
    A slice is filled up with the requests that follow.
    """

    kept: Belonging | None = None

    @classmethod
    def of(cls, requests: QuerySet[ApprovalRequest]) -> Self:
        """Return a query set as one of these."""
        found = cls(ApprovalRequest, query=requests.query.chain(), using=requests.db)
        found.kept = getattr(requests, "kept", None)
        return found

    def narrowed(self, kept: Belonging, *, certain: Q | None = None) -> Self:
        """Return those that ``kept`` returns, or ``certain`` matches; by default none is certain.

        What is narrowed before is evaluated, too.
        """
        earlier = self.kept
        is_known = certain is not None and earlier is None
        found = self.annotate(
            is_certain=Case(*([When(certain, then=True)] if is_known else []), default=False)
        )
        found.kept = kept if earlier is None else _both(earlier, kept)
        return found

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]  # Django's hook for subclasses
        clone.kept = self.kept
        return clone

    def _fetch_all(self) -> None:
        if self._result_cache is None and self.kept and self.query.combinator is None:
            self._result_cache = self._filled(self._rows, self._belonging)
        super()._fetch_all()

    def count(self) -> int:
        return len(self.ids())

    def exists(self) -> bool:
        return bool(self if self._result_cache is not None else self[:1].ids())

    def ids(self) -> list[UUID]:
        """Return the ids: requests that are certain are not read in full."""
        if self.query.is_empty():
            return []
        pairs = self.pairs()
        found = self._filled(lambda part: pairs[part], self._belonging_pairs)
        return [pk for pk, _ in found]

    def pairs(self) -> QuerySet[Any]:
        """Return the id and ``is_certain`` of all, before the doubtful ones are evaluated."""
        return self._unlimited().values_list("pk", "is_certain")

    def _unlimited(self) -> QuerySet[Any]:
        query = self.query.chain()
        query.clear_limits()
        return QuerySet(ApprovalRequest, query=query, using=self.db)

    def _rows(self, part: slice) -> Iterable[Any]:
        """Return the rows of a part, which is found by an index and read in full afterwards."""
        found = self._unlimited()
        places = found.values("pk")[part]
        found.query.clear_where()
        return found.filter(IsAnyOf("pk", ArraySubquery(places)))

    def _filled(
        self,
        read: Callable[[slice], Iterable[_Row]],
        belonging: Callable[[Sequence[_Row]], list[_Row]],
    ) -> list[_Row]:
        """Return the rows of the slice, from as many statements as it takes to fill it."""
        end, found, start = self.query.high_mark, list[_Row](), 0
        size = end
        while end is None or len(found) < end:
            batch = list(read(slice(start, None if size is None else start + size)))
            found += belonging(batch)
            start += len(batch)
            if size is None or len(batch) < size:
                break
            size = min(2 * size, _MOST_AT_ONCE)
        return found[self.query.low_mark : end]

    def _belonging(self, rows: Sequence[Any]) -> list[Any]:
        kept = self._kept_among([row for row in rows if not row.is_certain])
        return [row for row in rows if row.is_certain or row.pk in kept]

    def _belonging_pairs(self, pairs: Sequence[tuple[UUID, bool]]) -> list[tuple[UUID, bool]]:
        doubtful = [pk for pk, is_certain in pairs if not is_certain]
        found = ApprovalRequest.objects.filter(pk__in=doubtful) if doubtful else ()
        kept = self._kept_among(list(found))
        return [(pk, is_certain) for pk, is_certain in pairs if is_certain or pk in kept]

    def _kept_among(self, doubtful: Collection[ApprovalRequest]) -> Collection[UUID]:
        return self.kept(doubtful) if doubtful and self.kept else ()


def _both(first: Belonging, second: Belonging) -> Belonging:
    def kept(rows: Collection[ApprovalRequest]) -> Collection[UUID]:
        found = first(rows)
        return second([row for row in rows if row.pk in found])

    return kept
