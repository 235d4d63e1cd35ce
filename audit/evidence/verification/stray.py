"""Keys and publications that do not belong to the log: it has no leaf or checkpoint for them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from audit.evidence.models import Leaf, LogKey, Publication, SignedCheckpoint
from audit.evidence.verification.problems import Problem, Progress

_MOST_OF_A_KIND = 2_000
# By which the clocks of two workers may differ.
_TOLERANCE = timedelta(minutes=1)


def stray_rows() -> Iterator[Progress]:
    """Yield the keys without a leaf, and the publications that no worker can have written."""
    yield Progress(0, [Problem("leafless", _name_of_key(each)) for each in _first(_keys())])
    unknown = _publications().filter(signed_at=None)
    yield Progress(0, [Problem("unfounded", _name(each)) for each in _first(unknown)])
    early = _publications().filter(accepted_at__lt=F("signed_at") - _TOLERANCE)
    yield Progress(0, [Problem("early", _name(each)) for each in _first(early)])


def _first(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.order_by("pk")[:_MOST_OF_A_KIND]


def _keys() -> QuerySet[LogKey]:
    here = {"log": OuterRef("log"), "index": OuterRef("index")}
    return LogKey.objects.filter(~Exists(Leaf.objects.filter(kind=Leaf.Kind.KEY, **here)))


def _publications() -> QuerySet[Any]:
    same = Q(log=OuterRef("log"), size=OuterRef("size"))
    signed = SignedCheckpoint.objects.filter(same).values("signed_at")
    return Publication.objects.annotate(signed_at=Subquery(signed))


def _name_of_key(key: LogKey) -> str:
    return f"The public key {key.verifier_key} at leaf {key.index} of log {key.log}"


def _name(row: Publication) -> str:
    return f"Publication {row.pk} of {row.size} leaves of log {row.log} to {row.destination}"
