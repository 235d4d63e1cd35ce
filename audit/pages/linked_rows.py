"""The rows of an admin list with what they lead to, read for all of them at once."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from audit.actors.actors import Actor
from audit.entry.requests import actor_of_request
from audit.log.visibility import VIEW_LOG
from audit.messages.classes import Subject
from audit.models.records import Record
from audit.subjects.names import labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Leads:
    """What a row is about, and whether its reader may follow that into the audit log."""

    subject: Subject | None
    label: str
    reads_log: bool

    @property
    def subject_link(self) -> str:
        """Name the subject, with a link to its story."""
        if self.subject is None:
            return "—"
        if not self.reads_log:
            return self.label
        return format_html('<a href="{}"><bdi>{}</bdi></a>', story_url(self.subject), self.label)

    @property
    def log_links(self) -> str:
        """Lead to the story of the subject, and to the commands about it."""
        if self.subject is None or not self.reads_log:
            return "—"
        text = '<a href="{}">timeline</a> · <a href="{}">commands</a>'
        return format_html(text, story_url(self.subject), commands_url(self.subject))


class LinkedRows(ChangeList):
    """The rows of a page; each carries what it leads to as ``leads``."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = list(self.result_list)
        for row, leads in zip(rows, self._leads(rows, actor_of_request(request)), strict=True):
            row.leads = leads
        self.result_list = rows

    def _leads(self, rows: list[Any], actor: Actor) -> list[Leads]:
        subjects = [self._subject(row) for row in rows]
        about = [each for each, row in zip(subjects, rows, strict=True) if isinstance(row, Record)]
        names = labels(filter(None, about), actor=actor)
        return [
            Leads(
                subject=subject,
                label=names.get(subject, "") if subject else "",
                reads_log=actor.may(VIEW_LOG),
            )
            for subject in subjects
        ]

    def _subject(self, row: Any) -> Subject | None:
        """Name the subject that a record is about, or that a row is."""
        if isinstance(row, Record):
            return Subject(row.subject_type, row.subject_id) if row.subject_type else None
        subject_type = getattr(self.model_admin, "subject_type", None)
        return Subject(subject_type, str(row.pk)) if subject_type else None


def story_url(subject: Subject) -> str:
    """Tell where the story of a subject is."""
    return reverse("audit:subject", args=subject)


def commands_url(subject: Subject) -> str:
    """Tell where the commands about a subject are."""
    return f"{reverse('audit:search')}?{urlencode({'subject': str(subject)})}"


def record_links(record: Record) -> str:
    """Lead from a record to its command, and to the whole case."""
    return format_html(
        '<a href="{}">command</a> · <a href="{}">case</a>',
        reverse("audit:command", args=[record.command_id]),
        reverse("audit:case", args=[record.correlation_id]),
    )
