"""Fields of forms that offer people or groups, whose names may mislead."""

from django import forms
from django.db.models import Model

from audit.messages.characters import visible


class _VisibleLabels:
    def label_from_instance(self, row: Model) -> str:
        """Return the name of a row, with each invisible character as its number."""
        return visible(str(row))


class ChoiceField(_VisibleLabels, forms.ModelChoiceField):
    """A choice of one row."""


class MultipleChoiceField(_VisibleLabels, forms.ModelMultipleChoiceField):
    """A choice of several rows."""
