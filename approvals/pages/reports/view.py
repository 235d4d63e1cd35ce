"""The report for auditors: who could approve what, and when."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone

from approvals.pages.reports import files
from approvals.pages.reports.filters import ReportFilter
from approvals.pages.reports.lines import MOST_CHANGES, Report, read
from approvals.pages.tenants import tenant_names
from audit.actors.actors import Actor
from audit.bus.dispatch import dispatch
from audit.entry.requests import context_of
from audit.log.commands import EndExport, ExportRecords
from audit.messages.exceptions import CommandError
from audit.pages.access import (
    EXPORT_PERMISSION,
    check_parameters,
    for_auditors,
    for_exporters,
    rendered,
)
from audit.pages.exports.files import Snapshot
from audit.pages.exports.view import ExportForm

#: The most lines of a page; a file has all of them.
MOST_LINES = 300
#: The most changes in the period of a file.
MOST_IN_FILE = 1_000
_PAGE = "approvals/approvers.html"
_TITLE = "Eligible approvers"


class FileForm(ExportForm):
    """The format of the file, which is one of the report, and the reason for the export."""

    format = forms.ChoiceField(choices=[(name, each.label) for name, each in files.FORMATS.items()])


@for_auditors
def approvers(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show who could approve, at a time or in a period, and what the log lacks about it."""
    check_parameters(request, ReportFilter.base_fields)
    form = ReportFilter(request.GET, reader=actor)
    shown: dict[str, Any] = {"section": "approvers", "title": _TITLE, "form": form}
    if not form.is_valid():
        return rendered(request, _PAGE, **shown)
    report = read(form, most=MOST_CHANGES)
    tenants = tenant_names({each.tenant for each in report.lines}, actor=actor)
    return rendered(
        request,
        _PAGE,
        **shown,
        **_asked(form, report),
        lines=[(each, each.tenant and tenants[each.tenant]) for each in report.lines[:MOST_LINES]],
        hidden=max(len(report.lines) - MOST_LINES, 0),
        may_export=actor.may(EXPORT_PERMISSION),
    )


@for_exporters
def export_approvers(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Show the form; if it is valid, log the export and send the file."""
    check_parameters(request, ReportFilter.base_fields)
    report_form = ReportFilter(request.GET, reader=actor)
    form = FileForm(request.POST if request.method == "POST" else None)
    if not report_form.is_valid():
        form.add_error(None, "The report has invalid fields: fix it first.")
    if not form.is_valid():
        return _form(request, form, report_form)
    report = read(report_form, most=MOST_IN_FILE)
    if report.resumes_at:
        message = f"More than {MOST_IN_FILE:,} changes in this period: choose a shorter one."
        form.add_error(None, message)
        return _form(request, form, report_form)
    given = form.cleaned_data
    try:
        return _file(
            request, report, query=report_form.query(), name=given["format"], reason=given["reason"]
        )
    except CommandError as error:
        form.add_error(None, error.message)
        return _form(request, form, report_form)


def _file(
    request: HttpRequest,
    report: Report,
    *,
    query: str,
    name: str,
    reason: str,
) -> HttpResponse:
    chosen = files.FORMATS[name]
    made = chosen.write(report)
    context = context_of(request, channel="audit pages", reason=reason)
    search = f"approvers?{query}"
    command = ExportRecords(format=chosen.name, search=search, snapshot=str(Snapshot.now()))
    dispatch(command, context=context)
    end = EndExport(
        export_id=command.export_id,
        rows=len(report.lines),
        sha256=files.digest(made),
        is_complete=True,
    )
    dispatch(end, context=context_of(request, channel="audit pages"))
    filename = f"approvers-{timezone.now():%Y%m%dT%H%M%SZ}.{chosen.name}"
    headers = {
        "Content-Disposition": f'attachment; filename="{filename}"',
        "Export-Id": str(command.export_id),
    }
    return HttpResponse(made, content_type=chosen.content_type, headers=headers)


def _form(request: HttpRequest, form: FileForm, report_form: ReportFilter) -> HttpResponse:
    return rendered(
        request,
        "approvals/approvers_export.html",
        status=400 if form.is_bound else 200,
        section="approvers",
        title="Export",
        form=form,
        query=report_form.query() if report_form.is_valid() else "",
    )


def _asked(form: ReportFilter, report: Report) -> dict[str, Any]:
    return {
        "query": form.query(),
        "at": None if form.period else form.moment,
        "period": form.period,
        "resumes_at": report.resumes_at,
        "next": form.query_since(report.resumes_at) if report.resumes_at else "",
        "gaps": report.gaps,
        "is_without_tenant": "tenant" in form.fields and not form.tenant_id,
    }
