"""Staleness: whether the subject of a request has changed since the request."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from approvals.models import ApprovalRequest
from approvals.sealing import values as subjects
from approvals.sealing.values import SubjectVersion
from audit.bus import store
from audit.messages.classes import Subject


def staleness(request: ApprovalRequest) -> str:
    """Return what has changed since the request; empty if nothing relevant has."""
    return staleness_of([request], rows={})[request.pk]


def staleness_of(
    requests: Iterable[ApprovalRequest], *, rows: Mapping[Subject, Any]
) -> Mapping[UUID, str]:
    """Return for each request what has changed, in two queries for each type of subject.

    The subjects of ``rows`` are not read again.
    """
    listed = {request: request.subject_reference for request in requests}
    present = subjects.current_versions(filter(None, listed.values()), rows=rows)
    return {
        request.pk: _difference(request, present[subject]) if subject else ""
        for request, subject in listed.items()
    }


def number_to_expect(request: ApprovalRequest) -> int:
    """Return the number that the subject must have when the held command is executed.

    It is the current number if the values are unchanged. The number is read first, so a change in
    between moves the subject past the returned number.
    """
    subject = request.subject_reference
    if subject is None:
        return request.subject_number
    number = store.current_number(subject)
    if (
        number != request.subject_number
        and subjects.present_values(subject) == request.subject_values
    ):
        return number
    return request.subject_number


def _difference(request: ApprovalRequest, present: SubjectVersion) -> str:
    before, now = request.subject_values, present.values
    if present.number == request.subject_number or now == before:
        return ""
    if before is None:
        return "It has been created since the request."
    if now is None:
        return "It no longer exists."
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    labels = [name.removesuffix("_id").replace("_", " ") for name in names]
    return f"Changed since the request: {', '.join(labels)}."
