"""Rows of an admin list with links into the audit log, read for all rows at once."""

from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from audit.entry.requests import actor_of_request
from audit.log import approvals, standings
from audit.log.approvals import Decided
from audit.log.visibility import VIEW_LOG
from audit.messages.classes import Subject
from audit.models.records import CommandRecord, Record
from audit.pages.lines import subject_of
from audit.pages.list_parameters import ListParameters
from audit.subjects.names import found, labels_among


class Leads(NamedTuple):
    """The subject of a row, whether the user may read the audit log, and what a record decides."""

    subject: Subject | None
    label: str
    reads_log: bool
    decided: Decided

    @property
    def subject_link(self) -> str:
        """The subject's label, linked to its timeline."""
        if self.subject is None:
            return "—"
        if not self.reads_log:
            return self.label
        return format_html('<a href="{}"><bdi>{}</bdi></a>', timeline_url(self.subject), self.label)

    @property
    def log_links(self) -> str:
        """Links to the timeline of the subject, and to the commands on it."""
        if self.subject is None or not self.reads_log:
            return "—"
        text = '<a href="{}">timeline</a> · <a href="{}">commands</a>'
        return format_html(text, timeline_url(self.subject), commands_url(self.subject))


class LinkedRows(ChangeList):
    """The rows of a list; the attribute ``leads`` of each has its `Leads`."""

    def get_filters(self, request: HttpRequest) -> Any:
        """Take only the parameters that ``list_filter`` and ``date_hierarchy`` declare.

        The stock list filters by any field, also by those that no page shows, such as a password.

        :raises BadRequest: if a parameter is malformed.
        :raises DisallowedModelAdminLookup: if a lookup is not declared.
        """
        texts = (text for values in self.filter_params.values() for text in values)
        if not ListParameters(request.GET).is_valid() or any("\x00" in text for text in texts):
            raise BadRequest
        found = super().get_filters(request)
        dates = {f"{self.date_hierarchy}__{part}" for part in ("gte", "lt", "month", "day")}
        if undeclared := found[2].keys() - dates:
            raise DisallowedModelAdminLookup(sorted(undeclared))
        return found

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        actor, rows = actor_of_request(request), list(self.result_list)
        subjects = [self._subject(row) for row in rows]
        # Only lists of records show the labels of subjects.
        is_log = issubclass(self.model, Record)
        named = set(filter(None, subjects)) if is_log else set()
        visible = found(named, actor=actor)
        names = labels_among(named, visible, actor=actor)
        found_for = approvals.decided_by(rows, rows=visible, actor=actor) if is_log else ()
        decided = found_for or [Decided()] * len(rows)
        for row, subject, each in zip(rows, subjects, decided, strict=True):
            label = names.get(subject, "") if subject else ""
            row.leads = Leads(subject, label, actor.may(VIEW_LOG), each)
        if self.model is CommandRecord:
            waiting = standings.waiting(rows)
            for row in rows:
                row.is_waiting = row.command_id in waiting
        self.result_list = rows

    @property
    def shown_range(self) -> str:
        """The numbers of the first and last row of the page, and the number of all rows."""
        if not self.multi_page or self.show_all:
            return f"{self.result_count:,}"
        page = self.paginator.page(self.page_num)
        most = getattr(self.paginator, "furthest", None)
        count = f"{'at least ' if self.result_count == most else ''}{self.result_count:,}"
        return f"{page.start_index():,}\N{EN DASH}{page.end_index():,} of {count}"

    def _subject(self, row: Any) -> Subject | None:
        """Return the subject of a record, or the subject that the row itself is."""
        if isinstance(row, Record):
            return subject_of(row)
        subject_type = getattr(self.model_admin, "subject_type", None)
        return Subject(subject_type, str(row.pk)) if subject_type else None


def timeline_url(subject: Subject) -> str:
    return reverse("countersign:subject", args=subject)


def commands_url(subject: Subject) -> str:
    """Return the URL of the search for the commands on a subject."""
    return search_url(subject=str(subject))


def search_url(**criteria: str) -> str:
    return f"{reverse('countersign:search')}?{urlencode(criteria)}"


def record_links(record: Record) -> str:
    """Return links to the command of a record, and to its case."""
    return format_html(
        '<a href="{}">command</a> · <a href="{}">case</a>',
        reverse("countersign:command", args=[record.command_id]),
        reverse("countersign:case", args=[record.correlation_id]),
    )
