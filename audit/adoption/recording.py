"""Requests as commands: the recorded parts of an HTTP request."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.encoding import escape_uri_path
from django.utils.http import escape_leading_slashes

from audit.adoption import bodies
from audit.adoption.commands import SentRequest
from audit.bus.attempts import keyed_digest
from audit.messages.classes import REDACTED
from audit.models.sequences import from_sequence
from audit.subjects import types

_Kind = TypeVar("_Kind", bound=SentRequest)


def recorded(  # noqa: PLR0913  # a request has many parts
    command_class: type[_Kind],
    request: HttpRequest,
    data: Any,
    *,
    arguments: Mapping[str, Any],
    masks: Collection[str] = (),
    by: str = "",
) -> _Kind:
    """Return a request as a command.

    ``data`` is its parsed body, and ``arguments`` are those of its URL; ``masks`` are names of
    further values that are not recorded. ``by`` is the argument that names the subject, by the
    model's field of that name.
    """
    declared = command_class.declared
    masked = {*declared.masks, *masks}
    body = bodies.stored(data, masks=masked, shows=declared.shows)
    path, in_path = _masked_path(request, arguments, masked)
    query = request.META.get("QUERY_STRING", "")
    shown_query, in_query = bodies.masked_query(query, masks=masked)
    withheld = (*body.withheld, *in_path, *in_query)
    complete = f"{request.path_info}?{query}\n".encode() + body.complete
    return command_class(
        method=request.method or "",
        path=f"{path}?{shown_query}" if shown_query else path,
        content_type=request.content_type or "",
        body=body.content,
        subject_id=_subject_id(declared.subject, declared.by or by, arguments),
        withheld=withheld,
        digest=keyed_digest(complete).hex() if withheld else "",
        origin=f"{request.scheme}://{request._get_raw_host()}",  # type: ignore[attr-defined]  # noqa: SLF001  # not validated: the view may not use it
        new_id=from_sequence(declared.reserves)() if declared.reserves else None,
    )


def _masked_path(
    request: HttpRequest, arguments: Mapping[str, Any], masks: Collection[str]
) -> tuple[str, tuple[str, ...]]:
    secrets = tuple(name for name in arguments if name in masks or bodies.is_secretive(name))
    path = request.path_info
    for name in secrets:
        path = path.replace(str(arguments[name]), REDACTED)
    return escape_leading_slashes(escape_uri_path(path)), secrets


def _subject_id(subject_type: str, by: str, arguments: Mapping[str, Any]) -> str | None:
    """Return the id of the subject that the arguments name, or None if there is no such row."""
    found = types.subject_type(subject_type) if subject_type else None
    if found is None or by not in arguments:
        return None
    try:
        rows = found.model._default_manager.filter(**{by: arguments[by]})
        known = rows.values_list("pk", flat=True).first()
    except (ValueError, ValidationError):
        return None
    return None if known is None else str(known)
