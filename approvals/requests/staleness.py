"""Whether what a request is about is still what it was when somebody asked."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from approvals.models import ApprovalRequest
from approvals.sealing import values as subjects
from approvals.sealing.values import Standing, Values


def staleness(request: ApprovalRequest) -> str:
    """Say what has changed since a request was made; empty if nothing has that matters."""
    return staleness_of([request])[request.pk]


def staleness_of(requests: Iterable[ApprovalRequest]) -> Mapping[UUID, str]:
    """Say of many requests what has changed: two queries for each type of subject."""
    listed = {request: request.subject_reference for request in requests}
    present = subjects.standings(filter(None, listed.values()))
    return {
        request.pk: _difference(request, present[subject]) if subject else ""
        for request, subject in listed.items()
    }


def number_to_expect(request: ApprovalRequest) -> int:
    """Tell at which number the subject has to be when the held command is carried out.

    It is the present one if the values are what they were. The number is read first, so whoever
    changes the subject after that has moved it past the number that is returned.
    """
    subject = request.subject_reference
    if subject is None:
        return request.subject_number
    number = subjects.present_number(subject)
    if number != request.subject_number and subjects.present_values(subject) == _asked(request):
        return number
    return request.subject_number


def _difference(request: ApprovalRequest, present: Standing) -> str:
    before, now = _asked(request), present.values
    if present.number == request.subject_number or now == before:
        return ""
    if before is None:
        return "It has been created since the request."
    if now is None:
        return "It no longer exists."
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return f"Changed since the request: {', '.join(_words(name) for name in names)}."


def _asked(request: ApprovalRequest) -> Values:
    values: Values = request.subject_values
    return values


def _words(name: str) -> str:
    return name.removesuffix("_id").replace("_", " ")
