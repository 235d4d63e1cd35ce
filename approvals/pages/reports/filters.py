"""The form of the report: person, command, tenant, and a time or a period."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.utils import timezone

from approvals.people.events import UserDeleted
from audit.actors.actors import Actor
from audit.bus import handling
from audit.installation import users
from audit.messages.classes import Command
from audit.models.records import EventRecord
from audit.pages.labels import words
from audit.pages.times import EndInput, TimeField, written
from audit.subjects import tenants

_LONGEST_TEXT = 200
_LONGEST_ID = 9


class ReportFilter(forms.Form):
    """The filters of the report. Without any time it is as of now."""

    person = forms.CharField(
        required=False,
        max_length=_LONGEST_TEXT,
        widget=forms.TextInput(attrs={"placeholder": "name or id"}),
    )
    command = forms.ChoiceField(required=False)
    tenant = forms.CharField(required=False, max_length=_LONGEST_TEXT)
    at = TimeField(label="At (UTC)", required=False)
    since = TimeField(label="From (UTC)", required=False)
    until = TimeField(label="Until (UTC)", required=False, widget=EndInput)

    def __init__(self, data: Any, *, reader: Actor) -> None:
        super().__init__(data, label_suffix="")
        self.reader = reader
        self.person_id: int | None = None
        self._classes = {each.message_type: each for each in handling.command_classes()}
        types = sorted((words(each), each) for each in self._classes)
        command: Any = self.fields["command"]
        command.choices = [("", "any"), *((name, label) for label, name in types)]
        self._offer_tenants()

    def _offer_tenants(self) -> None:
        field: Any = self.fields["tenant"]
        field.label = tenants.tenant_word().capitalize()
        if choices := tenants.tenant_choices(self.reader):
            none = [] if self.reader.is_confined else [("", "none")]
            self.fields["tenant"] = forms.ChoiceField(
                label=field.label, required=False, choices=[*none, *choices]
            )
        elif tenants.tenant_type() is None:
            del self.fields["tenant"]

    def clean_tenant(self) -> str:
        """Check that the reader may see the tenant; readers of some have to choose one."""
        text: str = self.cleaned_data["tenant"]
        if not text and self.reader.is_confined:
            text = min(self.reader.tenants or {""})
        if text and not tenants.is_tenant(text, actor=self.reader):
            raise forms.ValidationError(f"You can see no {tenants.tenant_word()} with this id.")
        if not text and self.reader.is_confined:
            raise forms.ValidationError(f"You can see no {tenants.tenant_word()}.")
        return text

    def clean_person(self) -> str:
        """Find the person by name or id, also one who was deleted."""
        text: str = self.cleaned_data["person"].strip()
        if text:
            self.person_id = _person(text)
            if self.person_id is None:
                raise forms.ValidationError("There is no person with this name or id.")
        return text

    def clean(self) -> dict[str, Any]:
        """Check that there is a time or a period, and that both have passed."""
        given = super().clean() or self.cleaned_data
        at, since, until = (given.get(name) for name in ("at", "since", "until"))
        if at and (since or until):
            self.add_error("at", "Enter either a time or a period.")
        now = timezone.now()
        for name, time in (("at", at), ("since", since)):
            if time and time > now:
                self.add_error(name, "This is in the future: the log has no record of it.")
        if since and until and since >= until:
            self.add_error("until", "The end must be after the start.")
        if until and not since:
            self.add_error("since", "Enter the start of the period.")
        return given

    @property
    def command_class(self) -> type[Command] | None:
        return self._classes.get(self.cleaned_data.get("command", ""))

    @property
    def tenant_id(self) -> str:
        """The id of the chosen tenant; empty for none."""
        return str(self.cleaned_data.get("tenant", ""))

    @property
    def moment(self) -> datetime:
        """The requested time, or now."""
        return self.cleaned_data.get("at") or timezone.now()

    @property
    def period(self) -> tuple[datetime, datetime] | None:
        """The start and the end of the period; None if the report is of a time."""
        since, now = self.cleaned_data.get("since"), timezone.now()
        return (since, min(self.cleaned_data.get("until") or now, now)) if since else None

    def query(self, **changes: str) -> str:
        """Return the query of the same report with some changes; "" leaves a field out."""
        given = {name: self.data[name] for name in self.fields if name in self.data} | changes
        return urlencode({name: value for name, value in given.items() if value})

    def query_since(self, time: datetime) -> str:
        """Return the query of the rest of the period."""
        return self.query(since=written(time))


def _person(text: str) -> int | None:
    """Return the id of a person with a name of today, or with this id, deleted ones included."""
    named = users.manager().filter(**{users.name_field(): text}).values_list("pk", flat=True)
    if found := next(iter(named), None):
        return int(found)
    deleted = EventRecord.objects.filter(
        message_type=UserDeleted.message_type, data__username=text
    ).values_list("subject_id", flat=True)
    text = deleted.order_by("-position").first() or text
    is_id = text.isdecimal() and text.isascii() and len(text) <= _LONGEST_ID
    return int(text) if is_id else None
