"""Records of who read what of the log, where the settings ask for them."""

from django.conf import settings
from django.http import HttpRequest

from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.log.commands import ViewPage
from audit.messages.text import clean_text

_LONGEST = 2_000


def record_view(request: HttpRequest) -> None:
    """Record that a page is opened, before anything of it is read.

    The query is kept as it was written: whom an auditor looked for is what such a record is for,
    and the names and ids in it are ones that the log has anyway.

    :raises CommandError: if the record cannot be written, so that the page must not be shown.
    """
    if not settings.AUDIT_RECORD_PAGE_VIEWS:
        return
    command = ViewPage(
        method=request.method or "",
        path=clean_text(request.path, longest=_LONGEST),
        query=clean_text(request.META.get("QUERY_STRING", ""), longest=_LONGEST),
    )
    dispatch(command, context=context_of(request, channel="audit pages"))
