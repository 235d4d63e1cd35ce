"""Keeping on record who read what of the log, where the settings ask for it."""

from django.conf import settings
from django.http import HttpRequest

from audit.actors.actors import Actor
from audit.bus.context import Context
from audit.bus.dispatch import dispatch
from audit.entry.requests import request_facts
from audit.log.commands import ViewPage
from audit.messages.exceptions import CommandError
from audit.messages.text import clean_text

_LONGEST = 2_000


class NotRecorded(Exception):
    """That a page is read could not be recorded, so it must not be shown."""


def record_view(request: HttpRequest, actor: Actor) -> None:
    """Record that an actor opens a page, before anything of it is read.

    What was looked for is kept as it was written: whom an auditor looked for is what such a
    record is for, and the names and ids in it are ones that the log has anyway.

    :raises NotRecorded: if the record cannot be written, for whatever reason.
    """
    if not settings.AUDIT_RECORD_PAGE_VIEWS:
        return
    command = ViewPage(
        method=request.method or "",
        path=clean_text(request.path, longest=_LONGEST),
        query=clean_text(request.META.get("QUERY_STRING", ""), longest=_LONGEST),
    )
    context = Context(actor=actor, channel="audit pages", request=request_facts(request))
    try:
        dispatch(command, context=context)
    except CommandError as error:
        raise NotRecorded from error
