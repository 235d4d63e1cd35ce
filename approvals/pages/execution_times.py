"""The time before which the command of a form is not executed, if it is held for approval."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms

from audit.messages.exceptions import CommandError, FieldError, Invalid
from audit.pages.times import TimeField

#: The name of the field in forms.
FIELD = "execute_after"
_LABEL = "Not before"


class ExecutionTimeForm(forms.Form):
    """An optional time; a form has it if its command is, or may be, held for approval."""

    execute_after = TimeField(
        label=f"{_LABEL} (UTC)",
        required=False,
        help_text=(
            "Once approved, it waits until this time, at the latest five minutes before the "
            "request expires. Leave it empty to execute it as soon as it is approved."
        ),
    )


def execution_time(typed: Mapping[str, Any]) -> datetime | None:
    """Return the time in a form, or None without one.

    :raises Invalid: if it is not a time.
    """
    form = ExecutionTimeForm(typed)
    if not form.is_valid():
        message = " ".join(map(str, form.errors[FIELD]))
        raise Invalid(errors=[FieldError(_LABEL, "invalid", message)])
    at: datetime | None = form.cleaned_data[FIELD]
    return at


def message_of(error: CommandError) -> str:
    """Return the message of an error with the name of the field, not that of the API's header."""
    if isinstance(error, Invalid):
        error.rename_fields({"Execute-After": _LABEL})
    return error.message
