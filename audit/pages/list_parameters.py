"""The search, page, order and filters in the URL of an admin list."""

from copy import copy
from typing import Any

from django import forms
from django.contrib import admin
from django.core.validators import RegexValidator
from django.http import HttpRequest

from audit.messages.characters import visible
from audit.pages.labels import shown_in

_COLUMNS = RegexValidator(r"^-?\d{1,3}(\.-?\d{1,3})*\Z")


class ListParameters(forms.Form):
    """The parameters of every list, by Django's names; those of filters are not among them."""

    q = forms.CharField(required=False)
    p = forms.IntegerField(required=False, min_value=1)
    o = forms.CharField(required=False, validators=[_COLUMNS])


class RelatedFilter(admin.RelatedOnlyFieldListFilter):
    """A filter by a related row, applied even if the list offers only one choice."""

    def has_output(self) -> bool:
        return True

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        choices = super().field_choices(field, request, model_admin)
        return [(key, visible(str(label))) for key, label in choices]


class ChoicesFilter(admin.ChoicesFieldListFilter):
    """A filter by the choices of a field, with the labels that pages show."""

    def __init__(self, field: Any, *args: Any, **options: Any) -> None:
        super().__init__(field, *args, **options)
        self.field = copy(field)
        self.field.choices = [(value, shown_in(field, value)) for value, _ in field.flatchoices]
