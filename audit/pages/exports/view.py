"""The export page: the results of a search as a file."""

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone

from audit.actors.actors import Actor
from audit.bus.dispatch import dispatch
from audit.entry.requests import LONGEST_REASON, context_of
from audit.log.commands import ExportRecords
from audit.log.search.activity import most_counted
from audit.messages.exceptions import CommandError
from audit.pages.access import check_parameters, for_exporters, rendered
from audit.pages.exports.files import Export, Snapshot, total
from audit.pages.exports.formats import FORMATS
from audit.pages.search.filters import CommandFilter


class ExportForm(forms.Form):
    """The format of the file, and the reason for the export."""

    format = forms.ChoiceField(choices=[(name, each.label) for name, each in FORMATS.items()])
    reason = forms.CharField(
        label="Reason",
        max_length=LONGEST_REASON,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Logged permanently with the export.",
    )


@for_exporters
def export(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Show the form; if it is valid, log the export and send the file."""
    check_parameters(request, CommandFilter.base_fields)
    search = CommandFilter(request.GET, reader=actor)
    search.is_valid()
    criteria, snapshot = search.criteria(), Snapshot.now()
    form = ExportForm(request.POST if request.method == "POST" else None)
    if search.errors and form.is_bound:
        form.add_error(None, "The search has invalid fields: fix it first.")
    if not form.is_valid():
        return _form(request, form, search=search)
    given = form.cleaned_data
    context = context_of(request, channel="audit pages", reason=given["reason"])
    try:
        command = ExportRecords(
            format=given["format"], search=search.query(), snapshot=str(snapshot)
        )
        dispatch(command, context=context)
    except CommandError as error:
        form.add_error(None, error.message)
        return _form(request, form, search=search)
    source = request.build_absolute_uri(reverse("countersign:search"))
    return _file(
        Export(
            command=command, criteria=criteria, snapshot=snapshot, source=source, context=context
        )
    )


def _form(request: HttpRequest, form: ExportForm, *, search: CommandFilter) -> HttpResponse:
    criteria = search.criteria()
    number = total(criteria)
    return rendered(
        request,
        "audit/export.html",
        status=400 if form.is_bound else 200,
        title="Export",
        form=form,
        chips=search.chips(),
        query=search.query(),
        total="" if number is None else f"{number:,}",
        most_counted=f"{most_counted(criteria):,}",
        unreadable=[search[name].label for name in search.errors],
    )


def _file(export: Export) -> StreamingHttpResponse:
    made_at = f"{timezone.now():%Y%m%dT%H%M%SZ}"
    name = f"audit-log-{made_at}.{export.format.extension}"
    number = total(export.criteria)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Rows-About": "" if number is None else str(number),
        "Export-Id": str(export.command.export_id),
    }
    return StreamingHttpResponse(
        export.content(), content_type=export.format.content_type, headers=headers
    )
