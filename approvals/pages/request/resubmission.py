"""The form to resubmit a request: the values of its command, to keep or to change."""

import dataclasses
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from django import forms
from django.urls import reverse

from approvals.models import ApprovalRequest
from approvals.pages.execution_times import FIELD, ExecutionTimeForm, execution_time
from approvals.pages.policy.drafts import draft_of
from approvals.policies.commands import CreatePolicy, EditPolicy
from approvals.requests.presentation import Ballot, Presented
from approvals.requests.resubmission import resubmitted, time_of
from audit.actors.actors import Actor
from audit.messages.classes import Command, generated_fields
from audit.messages.exceptions import FieldError, Invalid
from audit.pages.labels import fields
from audit.pages.times import TimeField

#: The input that says that a form had the values.
_SHOWN = "values"
_EMPTY: tuple[Any, ...] = (None, "", (), {})
_LONG = 60


class _Text(forms.CharField):
    """Text as it is, with line breaks of one character."""

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, **options)

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


class _Lines(_Text):
    """Several texts, one on each line."""

    widget = forms.Textarea({"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, tuple) else value

    def clean(self, value: Any) -> Any:
        return tuple(each.strip() for each in super().clean(value).splitlines() if each.strip())


class ResubmissionForm(forms.Form):
    """The values of a command that people can change; ``fixed`` are the others, as text.

    ``draft`` has the inputs of a proposed policy for its editor, at ``editor``; ``time`` is a form
    with the time before which the command is not executed.
    """

    def __init__(
        self,
        command: Command,
        typed: Mapping[str, Any] | None = None,
        *,
        execute_after: datetime | None = None,
    ) -> None:
        data = typed if typed is not None and is_in(typed) else None
        super().__init__(data, prefix="value", label_suffix="", initial=command.plain())
        self._command = command
        has_time = typed is not None and FIELD in typed
        self.time = ExecutionTimeForm(typed if has_time else None, initial={FIELD: execute_after})
        self.fields |= dict(_fields(command))
        left_out = {*self.fields, *generated_fields(type(command))}
        values = command.as_json().items()
        self.fixed = fields({name: value for name, value in values if name not in left_out})

    @property
    def draft(self) -> list[tuple[str, str]]:
        command = self._command
        return draft_of(command) if isinstance(command, CreatePolicy | EditPolicy) else []

    @property
    def editor(self) -> str:
        command = self._command
        if isinstance(command, EditPolicy):
            return reverse("admin:approvals_policy_edit", args=[command.policy_id])
        return reverse("admin:approvals_policy_new")

    def changed(self) -> Command:
        """Return the command with the values of the form.

        :raises Invalid: if a value is invalid.
        """
        if not self.is_valid():
            raise Invalid(errors=list(_errors(self)))
        return dataclasses.replace(self._command, **dict(self._values()))

    def _values(self) -> Iterator[tuple[str, Any]]:
        for name, given in self.cleaned_data.items():
            is_missing = given in _EMPTY and getattr(self._command, name) is None
            yield name, None if is_missing else given


def command_of(request: ApprovalRequest, *, typed: Mapping[str, Any], actor: Actor) -> Command:
    """Return the requested command again, with the values of the form if it had any.

    :raises CommandError: if it cannot be resubmitted, or a value is invalid.
    """
    command = resubmitted(request, actor=actor)
    return ResubmissionForm(command, typed).changed() if is_in(typed) else command


def execute_after_of(request: ApprovalRequest, *, typed: Mapping[str, Any]) -> datetime | None:
    """Return the time in the form, or that of the request if the form has no field for it.

    :raises Invalid: if it is not a time.
    """
    return execution_time(typed) if FIELD in typed else time_of(request)


def is_in(typed: Mapping[str, Any]) -> bool:
    """Return True if a form is that of a resubmission, with values."""
    return _SHOWN in typed


def form_for(
    ballot: Ballot, presented: Presented, *, typed: Mapping[str, Any] | None
) -> ResubmissionForm | None:
    """Return the form, filled with what was ``typed`` or requested; None if it may not be sent."""
    command = presented.command
    if not (command and ballot.may_raise_again):
        return None
    return ResubmissionForm(command, typed, execute_after=time_of(presented.request))


def _fields(command: Command) -> Iterator[tuple[str, forms.Field]]:
    """Yield a form field for each value that is no id, and of a type that people can type."""
    kind = type(command)
    for name in (each.name for each in dataclasses.fields(command)):
        if name not in generated_fields(kind) and not name.endswith("_id"):
            field = _field(get_type_hints(kind)[name], getattr(command, name))
            if field is not None:
                field.required = False
                zone = " (UTC)" if isinstance(field, TimeField) else ""
                field.label = f"{name.replace('_', ' ').capitalize()}{zone}"
                yield name, field


def _field(annotation: Any, value: Any) -> forms.Field | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        (inner,) = (each for each in arguments if each is not NoneType)
        return _field(inner, value)
    if origin is Literal:
        return forms.ChoiceField(choices=[(each, each) for each in arguments])
    if origin is tuple and (arguments[0] is str or get_origin(arguments[0]) is Literal):
        return _Lines(help_text="One on each line.")
    if origin is dict:
        return forms.JSONField(
            help_text="A JSON object.",
            error_messages={"invalid": "Enter a JSON object."},
            widget=forms.Textarea({"rows": 3}),
        )
    return _scalar(annotation, value)


def _scalar(kind: Any, value: Any) -> forms.Field | None:
    if kind is bool:
        return forms.BooleanField()
    if kind is int:
        return forms.IntegerField()
    if kind is datetime:
        return TimeField()
    if kind is not str:
        return None
    is_long = len(value or "") > _LONG or "\n" in (value or "")
    return _Text(widget=forms.Textarea({"rows": 3}) if is_long else forms.TextInput)


def _errors(form: forms.Form) -> Iterator[FieldError]:
    for name, messages in form.errors.items():
        yield FieldError(name, "invalid", " ".join(map(str, messages)))
