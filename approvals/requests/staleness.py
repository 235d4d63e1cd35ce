"""Staleness: whether values that a held command depends on have changed since the request.

A command declares them (``depends_on``). Whether the subject exists always matters.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.utils.text import get_text_list

from approvals.models import ApprovalRequest
from approvals.sealing import values as subjects
from approvals.sealing.values import SubjectVersion
from audit.messages.classes import Command, Subject, declared_messages


def staleness(request: ApprovalRequest) -> str:
    """Return what has changed since the request; empty if nothing relevant has."""
    return staleness_of([request])[request.pk]


def staleness_of(
    requests: Iterable[ApprovalRequest], *, rows: Mapping[Subject, Any] = MappingProxyType({})
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


def is_current(request: ApprovalRequest, *, number: int) -> bool:
    """Return True if no value that matters has changed, with the subject now at this number."""
    subject = request.subject_reference
    present = SubjectVersion(number, subjects.present_values(subject))
    return not _difference(request, present)


def _difference(request: ApprovalRequest, present: SubjectVersion) -> str:
    before, now = request.subject_values, present.values
    if present.number == request.subject_number or now == before:
        return ""
    if before is None:
        return "It has been created since the request."
    if now is None:
        return "It no longer exists."
    known = before.keys() | now.keys()
    names = sorted(name for name in known if before.get(name) != now.get(name))
    relevant = _depends_on(request.message_type)
    changed = [name for name in names if relevant is None or name in relevant]
    if changed and now.get("deleted_at") and not before.get("deleted_at"):
        return "Out of date: it has been deleted since the request."
    return f"Out of date: {'; '.join(_changes(changed, now))}." if changed else ""


def _changes(changed: Iterable[str], now: Mapping[str, Any]) -> Iterator[str]:
    """Yield what has changed: of a flag such as is_enabled, how."""
    flags = [name for name in changed if isinstance(now.get(name), bool)]
    for name in flags:
        state = name.removeprefix("is_").replace("_", " ")
        yield f"it has been {state} since the request" if now[name] else f"it is no longer {state}"
    if others := [name for name in changed if name not in flags]:
        labels = [name.removesuffix("_id").replace("_", " ") for name in others]
        have = "has" if len(labels) == 1 else "have"
        yield f"{get_text_list(labels, 'and')} {have} changed since the request"


def _depends_on(message_type: str) -> tuple[str, ...] | None:
    """Return the values that a type of command depends on; None stands for all of them."""
    known = declared_messages.get(message_type)
    return known.depends_on if known and issubclass(known, Command) else None
