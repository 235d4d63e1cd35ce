"""The search, page and order in the URL of an admin list."""

from django import forms
from django.core.validators import RegexValidator

_COLUMNS = RegexValidator(r"^-?\d{1,3}(\.-?\d{1,3})*\Z")


class ListParameters(forms.Form):
    """The parameters of every list, by Django's names; those of filters are not among them."""

    q = forms.CharField(required=False)
    p = forms.IntegerField(required=False, min_value=1)
    o = forms.CharField(required=False, validators=[_COLUMNS])
