"""Inclusions: in which leaf a record is, who signed it when, and which destinations have it."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db.models import Min

from audit.evidence.models import Leaf, Publication, SignedCheckpoint, TransparencyLog
from audit.evidence.publishing.stored import witnessed_checkpoint
from audit.evidence.sequencing.logs import last_checkpoint


class Witnessed(NamedTuple):
    """A destination outside the database, and when it first accepted a checkpoint with a leaf."""

    destination: str
    at: datetime


class Inclusion(NamedTuple):
    """The number of a leaf, and the first checkpoint with it: its size, and when it was signed."""

    origin: str
    leaf: int
    size: int
    signed_at: datetime
    witnesses: list[Witnessed]


def inclusions(positions: Collection[int]) -> dict[int, Inclusion]:
    """Return the inclusions of records by their positions. The newest records have none yet."""
    leaves = Leaf.objects.filter(position__in=positions)
    found = ((leaf.position, _inclusion(leaf)) for leaf in leaves)
    return {position: each for position, each in found if position and each}


def checkpoint_for_proof(log: int, *, size: int) -> SignedCheckpoint:
    """Return the checkpoint for proofs of leaves of a tree of this size.

    It is the newest one that a witness has cosigned, or without any the newest one.
    """
    cosigned = witnessed_checkpoint(log)
    return cosigned if cosigned and cosigned.size >= size else last_checkpoint(log)


def _inclusion(leaf: Leaf) -> Inclusion | None:
    later = SignedCheckpoint.objects.filter(log=leaf.log, size__gt=leaf.index)
    first = later.order_by("size").first()
    log = TransparencyLog.objects.filter(number=leaf.log).first()
    if first is None or log is None:
        return None
    accepted = Publication.objects.filter(
        log=leaf.log, size__gt=leaf.index, accepted_at__isnull=False
    )
    times = accepted.values("destination").annotate(at=Min("accepted_at")).order_by("at")
    witnesses = [Witnessed(each["destination"], each["at"]) for each in times]
    return Inclusion(log.origin, leaf.index, first.size, first.signed_at, witnesses)
