"""The page of a case file: a report to print, and the signed file."""

import base64
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase

from approvals.case_files import contents
from approvals.case_files.contents import CaseFile
from approvals.case_files.report import report
from approvals.sealing import evidence_files
from audit.actors.actors import Actor
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.installation.settings import countersign
from audit.log.commands import MakeCaseFile
from audit.messages.classes import Subject
from audit.messages.exceptions import CommandError
from audit.pages.access import for_exporters, rendered

_CHANNEL = "audit pages"


@for_exporters
def of_case(request: HttpRequest, actor: Actor, correlation_id: UUID) -> HttpResponseBase:
    """Make the case file of a case."""
    return _made(request, Subject(contents.CASE, str(correlation_id)), actor=actor)


@for_exporters
def of_subject(
    request: HttpRequest, actor: Actor, subject_type: str, subject_id: str
) -> HttpResponseBase:
    """Make the case file of a subject, or of an approval request."""
    if "\x00" in subject_type + subject_id:
        raise Http404
    return _made(request, Subject(subject_type, subject_id), actor=actor)


def _made(request: HttpRequest, about: Subject, *, actor: Actor) -> HttpResponse:
    """Log the file and show the report. A GET shows the button: making a file is logged."""
    if request.method != "POST":
        return rendered(request, "approvals/case_file_form.html", title="Case file", about=about)
    made = contents.make(about, reader=actor)
    if made is None:
        raise Http404(f"There is no {about.type} {about.id}, or you do not have access to it.")
    command = MakeCaseFile(about=str(about), rows=len(made.content["attempts"]), sha256=made.sha256)
    try:
        dispatch(command, context=context_of(request, channel=_CHANNEL))
    except CommandError as error:
        return rendered(
            request,
            "approvals/case_file_form.html",
            status=403,
            title="Case file",
            about=about,
            error=error.message,
        )
    return _page(request, made, name=f"case-file-{command.export_id}.json")


def _page(request: HttpRequest, made: CaseFile, *, name: str) -> HttpResponse:
    # The file is in the page, so that both are of the same state of the log.
    file = base64.b64encode(made.file).decode()
    return rendered(
        request,
        "approvals/case_file.html",
        title=f"Case file: {made.content['label']}",
        report=report(made.content),
        sha256=made.sha256,
        public_key=evidence_files.public_key(countersign().evidence_key),
        name=name,
        file=f"data:application/json;base64,{file}",
    )
