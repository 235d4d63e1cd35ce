"""The form of a search: its criteria and their texts in the URL of a page."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.core.validators import RegexValidator

from audit.actors.actors import Actor
from audit.bus import handling
from audit.log.search.criteria import Criteria
from audit.log.search.index_ranges import present
from audit.log.search.scans import kinds_in
from audit.log.search.time_ranges import Cursor
from audit.pages.labels import STATUS_CHOICES, words
from audit.pages.local_times import text_in_utc
from audit.pages.search.interpretations import Interpretation, interpret
from audit.pages.times import EndInput, TimeField, written
from audit.subjects import tenants

_LONGEST_TEXT = 200
_MESSAGE_TYPE = re.compile(r"[a-z_]+(\.[a-z_]+)+")
_ANY = ("", "any")
_PLACES = ("before", "after")
_MAIN = ("q", "message_type", "status")
_FURTHER = (
    *("since", "until", "actor", "reason", "subject", "channel", "customer"),
    *("correlation_id", "command_id", "request_id", "address"),
)


class Chip(NamedTuple):
    """An active filter, and the URL of the search without it."""

    label: str
    value: str
    url: str


class Choice(NamedTuple):
    """A link to another search."""

    label: str
    url: str


class CursorField(forms.CharField):
    """The place where a page begins; an invalid one is ignored."""

    widget = forms.HiddenInput

    def clean(self, value: Any) -> Cursor | None:
        try:
            return Cursor.read(value) if value else None
        except ValueError:
            return None


def _text(label: str, *validators: RegexValidator, hint: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=_LONGEST_TEXT,
        validators=validators,
        widget=_input(hint),
    )


def _input(hint: str) -> forms.TextInput:
    return forms.TextInput(attrs={"placeholder": hint} if hint else {})


class CommandFilter(forms.Form):
    """The criteria of a search. Empty and invalid fields match every command.

    The text in ``q`` is interpreted: ``interpretations`` has the meanings that it may have, and the
    filters of the first one replace it.
    """

    q = _text("Search", hint="key, person, id, IP address, or words of a reason")
    reason = _text(
        "Words in the reason", RegexValidator(r"[^\W_]", message="Enter at least one word.")
    )
    actor = _text("Actor", hint="name or kind:id")
    message_type = forms.ChoiceField(label="Command", required=False)
    status = forms.ChoiceField(
        label="Status", required=False, choices=[_ANY, *STATUS_CHOICES.items()]
    )
    since = TimeField(label="From (UTC)", required=False)
    until = TimeField(label="Until (UTC)", required=False, widget=EndInput)
    subject = _text(
        "Subject",
        RegexValidator(r":\Z", message="Enter type:id, or only an id.", inverse_match=True),
        hint="id or type:id",
    )
    channel = _text("Channel")
    customer = _text("")
    correlation_id = forms.UUIDField(label="Case", required=False, widget=_input("correlation id"))
    command_id = forms.UUIDField(label="Command id", required=False)
    request_id = _text("Request id")
    address = forms.GenericIPAddressField(label="IP address", required=False)
    before = CursorField(required=False)
    after = CursorField(required=False)

    def __init__(self, data: Any, *, reader: Actor) -> None:
        super().__init__(data, label_suffix="")
        self.reader = reader
        self.interpretations: list[Interpretation] = []
        self._customers: list[tuple[str, str]] = []
        self._texts = {name: self.data[name] for name in self.data}
        known = [each.message_type for each in handling.command_classes()]
        types = [(each, words(each)) for each in known]
        asked = self.data.get("message_type", "")
        if _MESSAGE_TYPE.fullmatch(asked) and asked not in known:
            types.append((asked, asked))
        self._offer("message_type", types)
        self._offer_customers()

    def clean_customer(self) -> str:
        """Check an id that is entered because the tenants are too many to list."""
        text: str = self.cleaned_data["customer"]
        is_listed = isinstance(self.fields["customer"], forms.ChoiceField)
        if text and not is_listed and not tenants.is_tenant(text, actor=self.reader):
            raise forms.ValidationError(f"You can see no {tenants.tenant_word()} with this id.")
        return text

    def clean(self) -> dict[str, Any]:
        """Check that the end is after the start."""
        given = super().clean() or self.cleaned_data
        since, until = given.get("since"), given.get("until")
        if since and until and since >= until:
            self.add_error("until", "The end must be after the start.")
        if text := given.pop("q", ""):
            self._apply(interpret(text, reader=self.reader))
        return given

    def _apply(self, interpretations: list[Interpretation]) -> None:
        """Search by the first of the interpretations; the others are offered as links."""
        self.interpretations = interpretations
        filters = interpretations[0].filters
        self._texts |= filters
        for name, text in filters.items():
            self.cleaned_data[name] = self.fields[name].clean(text)

    def criteria(self) -> Criteria:
        return Criteria.seen_by(self.reader, **self._valid())

    def query(self, **changes: str) -> str:
        """Return the query of the same search with some changes; "" leaves a field out."""
        asked = {name: self._texts[name] for name in self._valid()} | changes
        return urlencode({name: value for name, value in asked.items() if value})

    def urls_since(self, starts: Iterable[datetime | None]) -> list[str]:
        """Return the relative URLs of the same search from each of these times on."""
        return [self.url_between(since, None) for since in starts]

    def url_between(self, since: datetime | None, until: datetime | None) -> str:
        """Return the relative URL of the same search in another time range."""
        ends = {"since": since, "until": until}
        return f"?{self.query(**{name: written(at) if at else '' for name, at in ends.items()})}"

    def alternatives(self) -> list[Choice]:
        """Return the other meanings of the text, each with the URL of its search."""
        replaced = (
            dict.fromkeys(self.interpretations[0].filters, "") if self.interpretations else {}
        )
        return [
            Choice(each.label, f"?{self.query(**replaced | each.filters)}")
            for each in self.interpretations[1:]
        ]

    def main_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in _MAIN]

    def further_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in _FURTHER if name in self.fields]

    def asks_further(self) -> bool:
        """Return True if one of the further fields has a value, valid or not."""
        return any(self.data.get(name) for name in _FURTHER)

    def offer_matching(self, criteria: Criteria) -> None:
        """Show only values that the reader can find; a link may have others."""
        kinds = kinds_in(criteria) or {}
        if channels := kinds.pop("channel", None):
            names = {*channels, self.data.get("channel", "")} - {""}
            self.fields["channel"].widget = forms.Select(
                choices=[_ANY, *((name, name) for name in sorted(names))]
            )
        if self._customers:
            kinds["customer"] = present([identifier for identifier, _ in self._customers])
        for name, known in kinds.items():
            field: Any = self.fields[name]
            kept = {"", self.data.get(name, ""), *known}
            field.widget.choices = [each for each in field.choices if each[0] in kept]

    def chips(self) -> list[Chip]:
        """Return the active filters, each with the URL that removes it."""
        return [
            Chip(
                str(self[name].label).removesuffix(" (UTC)"),
                self._shown(name, value),
                f"?{self.query(**{name: ''})}",
            )
            for name, value in self._valid().items()
        ]

    def _valid(self) -> dict[str, Any]:
        ignored = (*_PLACES, *self.errors)
        given = self.cleaned_data.items()
        return {name: value for name, value in given if value and name not in ignored}

    def _shown(self, name: str, value: Any) -> str:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            labels: dict[str, str] = dict(field.choices)  # type: ignore[arg-type]  # no groups
            return labels[value]
        if isinstance(field, TimeField):
            return text_in_utc(value).replace(":00 UTC", " UTC")
        return str(value)

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field: Any = self.fields[name]
        field.choices = [_ANY, *choices]

    def _offer_customers(self) -> None:
        if not self.reader.sees_several_tenants:
            del self.fields["customer"]
            return
        self._customers = tenants.tenant_choices(self.reader)
        if self._customers:
            self.fields["customer"] = forms.ChoiceField(required=False)
            self._offer("customer", self._customers)
        self.fields["customer"].label = tenants.tenant_word().capitalize()
