"""How the recent commands can be narrowed down, in the address of their page."""

from typing import Any

from django import forms
from django.db.models import Q

from audit import registry
from audit.models import Status
from audit.words import words

_LONGEST_TEXT = 200
_FURTHEST = 2**63 - 1


class CommandFilter(forms.Form):
    """What to look for. Empty fields look for everything."""

    status = forms.ChoiceField(required=False)
    message_type = forms.ChoiceField(label="command", required=False)
    actor = forms.CharField(label="who", required=False, max_length=_LONGEST_TEXT)
    subject = forms.CharField(label="subject or its id", required=False, max_length=_LONGEST_TEXT)
    channel = forms.CharField(label="through", required=False, max_length=_LONGEST_TEXT)
    before = forms.IntegerField(
        required=False, min_value=1, max_value=_FURTHEST, widget=forms.HiddenInput
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields = self.fields
        types = [each.message_type for each in registry.command_classes()]
        _choices(fields["status"], [("", "any"), *((each.value, each.value) for each in Status)])
        _choices(fields["message_type"], [("", "any"), *((each, words(each)) for each in types)])

    def matching(self) -> Q:
        """Put what is looked for as a condition; unreadable fields look for nothing."""
        given = self.cleaned_data
        condition = Q()
        for name in ("status", "message_type", "channel"):
            if given.get(name):
                condition &= Q(**{name: given[name]})
        if given.get("actor"):
            condition &= Q(actor_label__icontains=given["actor"])
        if given.get("subject"):
            subject_type, _, identifier = given["subject"].rpartition(":")
            condition &= Q(subject_id=identifier)
            condition &= Q(subject_type=subject_type) if subject_type else Q()
        return condition


def _choices(field: forms.Field, choices: list[tuple[str, str]]) -> None:
    if isinstance(field, forms.ChoiceField):
        field.choices = choices
