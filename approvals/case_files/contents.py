"""Case files: all that the log has on a subject or a case, as one signed file."""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.utils import timezone

from approvals.case_files.changes import changes
from approvals.decisions import evidence
from approvals.decisions.evidence import EvidenceDisagrees
from approvals.models import ApprovalRequest
from approvals.requests.presentation import sentences_of
from approvals.sealing import evidence_files
from audit.actors.actors import Actor
from audit.evidence.publishing.proofs import proofs_of
from audit.installation.settings import countersign
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, EventRecord
from audit.pages.lines import Line, full_lines
from audit.pages.timelines.histories import deleted
from audit.pages.timelines.subjects import of_cases_about
from audit.subjects.names import find, labels

#: The type of a case in the reference of a case file. It is no type of subject.
CASE = "case"
MOST_RECORDS = 500
MOST_REQUESTS = 50


class CaseFile(NamedTuple):
    """A signed case file: its content, and the bytes of the file."""

    content: dict[str, Any]
    file: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.file).hexdigest()


def make(about: Subject, *, reader: Actor) -> CaseFile | None:
    """Return the case file of a subject or a case; None if the reader may see nothing of it."""
    content = _gather(about, reader=reader)
    if content is None:
        return None
    seed = countersign().evidence_key
    return CaseFile(content, evidence_files.write_case_file(content, seed=seed))


def _gather(about: Subject, *, reader: Actor) -> dict[str, Any] | None:
    if about.type == CASE:
        records = reader.confine(CommandRecord.objects.filter(correlation_id=about.id))
    else:
        records = of_cases_about(about, actor=reader, before=None)
    read = list(records.order_by("-position")[: MOST_RECORDS + 1])
    # A row that was added directly in the database may have a history, but no records.
    row = None if about.type == CASE else find(about, actor=reader)
    if row is not None:
        about = Subject(about.type, str(row.pk))
    elif not (read or deleted([about], actor=reader)):
        return None
    lines = full_lines(read[:MOST_RECORDS][::-1], actor=reader)
    requests = _requests(lines, reader=reader)
    changed = changes(about, lines, reader=reader)
    return {
        "about": str(about),
        "label": _label(about, lines, reader=reader),
        "made_at": timezone.now().isoformat(),
        "made_by": {"kind": reader.kind, "id": reader.id, "label": reader.label},
        "is_cut": len(read) > MOST_RECORDS or len(requests) > MOST_REQUESTS or changed.is_cut,
        "is_confined": reader.is_confined,
        **_decisions(requests[:MOST_REQUESTS], reader=reader),
        "attempts": [_attempt(line) for line in lines],
        "changes": changed.listed,
        "proofs": proofs_of(_positions(lines)),
    }


def _label(about: Subject, lines: Sequence[Line], *, reader: Actor) -> str:
    if about.type == CASE:
        return lines[0].full_words
    return labels([about], actor=reader)[about]


def _requests(lines: Iterable[Line], *, reader: Actor) -> list[ApprovalRequest]:
    """Return the requests to execute these commands, oldest first, and one more than are shown."""
    ids = {line.record.command_id for line in lines}
    requests = reader.confine(ApprovalRequest.objects.filter(command_id__in=ids))
    return list(requests.order_by("requested_at", "pk")[: MOST_REQUESTS + 1])


def _decisions(requests: Sequence[ApprovalRequest], *, reader: Actor) -> dict[str, Any]:
    """Return the signed evidence of each request, and why that of others is not signed."""
    sentences = sentences_of(requests, actor=reader, rows={})
    signed, unsigned = [], {}
    for request in requests:
        try:
            signed.append(evidence.signed(request))
        except EvidenceDisagrees as problem:
            unsigned[str(request.pk)] = problem.message
    named = zip(requests, sentences, strict=True)
    return {
        "requests": {str(request.pk): sentence for request, sentence in named},
        "evidence": signed,
        "unsigned": unsigned,
    }


def _positions(lines: Iterable[Line]) -> set[int]:
    records = (record for line in lines for record in (line.record, *_events(line)))
    return {record.position for record in records}


def _events(line: Line) -> list[EventRecord]:
    return [fact.record for fact in line.facts]


def _attempt(line: Line) -> dict[str, Any]:
    return {
        "label": line.full_words,
        "subject": line.label,
        "is_waiting": line.is_waiting,
        "approvers": list(line.approvers),
        "record": evidence.record_columns(line.record),
        "events": [evidence.event_columns(each) for each in _events(line)],
    }
