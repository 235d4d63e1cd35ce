"""Records of page views of the log, if the settings require them."""

from django.conf import settings
from django.http import HttpRequest

from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.log.commands import ViewPage
from audit.messages.text import clean_text

_LONGEST = 2_000


def record_view(request: HttpRequest) -> None:
    """Record that a page is opened, before anything of it is read.

    The query is recorded as it was sent: what an auditor searched for is the purpose of the record,
    and the log contains the same names and ids.

    :raises CommandError: if the record cannot be written. The page must then not be shown.
    """
    if not settings.AUDIT_RECORD_PAGE_VIEWS:
        return
    command = ViewPage(
        method=request.method or "",
        path=clean_text(request.path, longest=_LONGEST),
        query=clean_text(request.META.get("QUERY_STRING", ""), longest=_LONGEST),
    )
    dispatch(command, context=context_of(request, channel="audit pages"))
