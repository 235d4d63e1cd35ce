"""What of the log is looked for, as it stands in the address of a page."""

import re
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms

from audit.actors.actors import Actor
from audit.bus import handling
from audit.log.search.criteria import Criteria
from audit.log.search.time_ranges import Cursor
from audit.models.records import Status
from audit.pages.labels import words
from audit.pages.times import EndInput, MomentField
from audit.subjects import tenants

_LONGEST_TEXT = 200
_MESSAGE_TYPE = re.compile(r"[a-z_]+(\.[a-z_]+)+")


class Chip(NamedTuple):
    """Something that is looked for, and the address without it."""

    label: str
    value: str
    url: str


class Paging(NamedTuple):
    """Where a page begins, on either side; nowhere is the newest page."""

    before: Cursor | None
    after: Cursor | None


class CursorField(forms.CharField):
    """Where a page begins; a page that begins nowhere is the newest one."""

    widget = forms.HiddenInput

    def clean(self, value: Any) -> Cursor | None:
        """Read the place, if it is one."""
        try:
            return Cursor.read(value or "")
        except ValueError:
            return None


class CommandFilter(forms.Form):
    """What to look for. Empty fields look for everything, and so do those that are not valid."""

    reason = forms.CharField(label="Words in the reason", required=False, max_length=_LONGEST_TEXT)
    actor = forms.CharField(label="Actor", required=False, max_length=_LONGEST_TEXT)
    message_type = forms.ChoiceField(label="Command", required=False)
    status = forms.ChoiceField(label="Status", required=False)
    since = MomentField(label="From (UTC)", required=False)
    until = MomentField(label="Until (UTC)", required=False, widget=EndInput)
    subject = forms.CharField(label="Subject", required=False, max_length=_LONGEST_TEXT)
    channel = forms.CharField(label="Channel", required=False, max_length=_LONGEST_TEXT)
    customer = forms.CharField(required=False, max_length=_LONGEST_TEXT)
    correlation_id = forms.UUIDField(label="Case", required=False)
    before = CursorField(required=False)
    after = CursorField(required=False)

    _main = ("reason", "actor", "message_type", "status")
    _further = ("since", "until", "subject", "channel", "customer", "correlation_id")
    _hints = {
        "actor": "name or kind:id",
        "subject": "id or type:id",
        "channel": "v1, v2, admin …",
        "correlation_id": "correlation id",
    }

    def __init__(self, data: Any, *, reader: Actor) -> None:
        super().__init__(data, label_suffix="")
        self.reader = reader
        self._offered: dict[str, list[tuple[str, str]]] = {}
        known = [each.message_type for each in handling.command_classes()]
        types = [(each, words(each)) for each in known]
        asked = self.data.get("message_type", "")
        if _MESSAGE_TYPE.fullmatch(asked) and asked not in known:
            types.append((asked, asked))
        self._offer("message_type", types)
        self._offer("status", [(each.value, each.value) for each in Status])
        self._offer_customers()
        for name, hint in self._hints.items():
            self.fields[name].widget.attrs["placeholder"] = hint

    def clean_reason(self) -> str:
        """Want something that can be looked for."""
        text: str = self.cleaned_data["reason"]
        if text and not any(character.isalnum() for character in text):
            raise forms.ValidationError("Enter at least one word.")
        return text

    def clean_subject(self) -> str:
        """Want an id."""
        text: str = self.cleaned_data["subject"]
        if text.endswith(":"):
            raise forms.ValidationError("Enter type:id, or only an id.")
        return text

    def clean_customer(self) -> str:
        """Want an id of a tenant that is the reader's to see, where they are too many to list."""
        text: str = self.cleaned_data["customer"]
        is_listed = isinstance(self.fields["customer"], forms.ChoiceField)
        if text and not is_listed and not tenants.is_tenant(text, actor=self.reader):
            raise forms.ValidationError(f"You can see no {tenants.tenant_word()} with this id.")
        return text

    def clean(self) -> dict[str, Any]:
        """Want time to go forward."""
        given = super().clean() or self.cleaned_data
        since, until = given.get("since"), given.get("until")
        if since and until and since >= until:
            self.add_error("until", "The end must be after the start.")
        return given

    def criteria(self) -> Criteria:
        """Put what is looked for as the search takes it."""
        return Criteria.seen_by(self.reader, **self._narrowing())

    def places(self) -> Paging:
        """Tell where the page begins."""
        return Paging(self.cleaned_data["before"], self.cleaned_data["after"])

    def narrowed(self) -> dict[str, str]:
        """Name what is looked for, as it stands in the address."""
        return {name: self.data[name] for name in self._narrowing()}

    def query(self, **changes: str) -> str:
        """Write an address that looks for the same, but for some changes; "" leaves a field out."""
        asked = self.narrowed() | changes
        return urlencode({name: value for name, value in asked.items() if value})

    def main_fields(self) -> list[forms.BoundField]:
        """List what is looked for most."""
        return [self[name] for name in self._main]

    def further_fields(self) -> list[forms.BoundField]:
        """List what else can be looked for."""
        return [self[name] for name in self._further if name in self.fields]

    def asks_further(self) -> bool:
        """Tell whether something of the further fields is asked for, or wrong."""
        return any(self.data.get(name) for name in self._further)

    def chips(self) -> list[Chip]:
        """Name everything that is looked for, each with the address that stops looking for it."""
        return [
            Chip(str(self[name].label), self._shown(name), f"?{self.query(**{name: ''})}")
            for name in self.narrowed()
        ]

    def _narrowing(self) -> dict[str, Any]:
        given = self.cleaned_data.items()
        valid = {name: value for name, value in given if value and name not in Paging._fields}
        return {name: value for name, value in valid.items() if name not in self.errors}

    def _shown(self, name: str) -> str:
        field, value = self.fields[name], self.cleaned_data[name]
        if isinstance(field, forms.ChoiceField):
            return dict(self._offered[name]).get(str(value), str(value))
        if isinstance(field, MomentField):
            return f"{value:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
        return str(value)

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", "any"), *choices]
            self._offered[name] = choices

    def _offer_customers(self) -> None:
        if not self.reader.sees_several_tenants:
            del self.fields["customer"]
            return
        choices = tenants.tenant_choices(self.reader)
        label = tenants.tenant_word().capitalize()
        if choices:
            self.fields["customer"] = forms.ChoiceField(required=False)
            self._offer("customer", choices)
        self.fields["customer"].label = label
