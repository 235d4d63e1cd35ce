"""Contradictions: a witness has more leaves of a log than this database, or others.

After rows were restored into the same database, this shows that a checkpoint would be a fork.
"""

from django.db.models import Q

from audit.evidence.models import Publication
from audit.evidence.sequencing.directories import Forking
from audit.evidence.witnessing.destinations import witnesses

_PREFIX = "Contradiction: "


def answer_of(text: str) -> str:
    """Return the answer that is stored with a contradiction."""
    return f"{_PREFIX}{text}"


def check_witnesses(log: int) -> None:
    """Check that no witness contradicts a log, as far as it has responded.

    :raises Forking: if the last response of one was a contradiction.
    """
    for witness in witnesses():
        responses = Publication.objects.filter(
            Q(accepted_at__isnull=False) | Q(answer__startswith=_PREFIX),
            destination=witness.name,
            log=log,
        )
        last = responses.order_by("-pk").first()
        if last and not last.accepted_at:
            raise Forking(f"{witness.name}: {last.answer.removeprefix(_PREFIX)}")
