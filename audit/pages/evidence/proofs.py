"""The place of a command in the transparency log, and the download of its proof."""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse

from audit.actors.actors import Actor
from audit.evidence.publishing.inclusions import Inclusion, inclusions
from audit.evidence.publishing.proofs import proof_file
from audit.models.records import CommandRecord, EventRecord
from audit.pages.access import check_parameters, for_auditors
from audit.pages.lines import Line


class Attempt(NamedTuple):
    """An attempt, and its place in the log: None if it has no leaf yet."""

    line: Line
    inclusion: Inclusion | None


def attempts(lines: Iterable[Line], *, reader: Actor) -> list[Attempt]:
    """Return attempts with their places in the log.

    Destinations outside may name people, so a reader of one customer does not see them.
    """
    shown = list(lines)
    found = inclusions([line.record.position for line in shown])
    if reader.is_confined:
        found = {position: each._replace(witnesses=[]) for position, each in found.items()}
    return [Attempt(line, found.get(line.record.position)) for line in shown]


@for_auditors
def proof(request: HttpRequest, actor: Actor, command_id: UUID) -> HttpResponse:
    """Send a file that proves that the records of a command are in the log, for offline use."""
    check_parameters(request, ())
    records = list(_seen(CommandRecord, command_id, actor=actor))
    if not records:
        raise Http404(f"There is no command {command_id}, or you do not have access to it.")
    content = proof_file(records, _seen(EventRecord, command_id, actor=actor))
    headers = {"Content-Disposition": f'attachment; filename="proof-{command_id}.json"'}
    return HttpResponse(content, content_type="application/json", headers=headers)


def _seen(model: Any, command_id: UUID, *, actor: Actor) -> Any:
    return actor.confine(model.objects.filter(command_id=command_id)).order_by("position")
