"""Conditions on arrays."""

from django.db.models import BooleanField, Func


class IsAnyOf(Func):
    """The condition that a value is any of an array, which is computed once."""

    template = "(%(expressions)s))"
    arg_joiner = " = ANY ("
    output_field = BooleanField()
