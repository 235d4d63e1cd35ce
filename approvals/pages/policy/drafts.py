"""The form for drafts of policies: from fields to a command, and back."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from functools import partial
from typing import Any

from django import forms
from django.contrib.auth.models import Group

from approvals.models import Effect, Policy
from approvals.pages.choices import ChoiceField
from approvals.pages.tenants import tenant_choices
from approvals.policies import conditions
from approvals.policies.commands import CreatePolicy, EditPolicy
from approvals.policies.evaluation import governed_by
from approvals.policies.handlers import check_policy
from audit.actors.actors import Actor
from audit.bus import handling
from audit.installation.settings import countersign
from audit.messages.exceptions import Invalid
from audit.pages.labels import declare_choices

EFFECT_LABELS = {
    Effect.REQUIRE_APPROVAL: "Hold for approval",
    Effect.FORBID: "Forbid",
    Effect.ALLOW: "Allow",
}
declare_choices({effect: label.lower() for effect, label in EFFECT_LABELS.items()})
_FEWEST_ROWS = 3
_MOST_ROWS = 20
_UNITS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}
_LONGEST_MESSAGE = 500
_Choice = partial(forms.BooleanField, required=False)


def in_greatest_unit(length: timedelta) -> tuple[int, str]:
    """Return a duration in the greatest unit without a remainder."""
    seconds = int(length.total_seconds())
    unit = next(each for each, size in _UNITS.items() if seconds % size == 0)
    return seconds // _UNITS[unit], unit


class LengthWidget(forms.MultiWidget):
    """A number and its unit."""

    def __init__(self, *, label: str) -> None:
        units = [(unit, unit) for unit in _UNITS if unit != "seconds"]
        super().__init__(
            [
                forms.NumberInput(attrs={"min": 0, "aria-label": f"{label}: number"}),
                forms.Select(choices=units, attrs={"aria-label": f"{label}: unit"}),
            ]
        )

    def decompress(self, value: timedelta | None) -> list[Any]:
        return list(in_greatest_unit(value)) if value else [None, "hours"]


class LengthField(forms.MultiValueField):
    """A duration; None if it is empty."""

    def __init__(self, *, label: str, help_text: str) -> None:
        units = [(unit, unit) for unit in _UNITS]
        super().__init__(
            [
                forms.IntegerField(min_value=0, max_value=100_000, required=False),
                forms.ChoiceField(choices=units, required=False),
            ],
            label=label,
            help_text=help_text,
            widget=LengthWidget(label=label),
            required=False,
            require_all_fields=False,
        )

    def compress(self, data_list: list[Any]) -> timedelta | None:
        number, unit = data_list or (None, "")
        return None if number is None else timedelta(seconds=number * _UNITS[unit or "hours"])


class PolicyForm(forms.Form):
    """The settings of a policy. Its rules are rows of a group and a quorum, one of them empty."""

    governs = forms.CharField(
        max_length=200,
        help_text="A command type, or a prefix such as apikeys.*",
        widget=forms.TextInput(attrs={"list": "governed", "autocomplete": "off"}),
    )
    effect = forms.ChoiceField(
        choices=list(EFFECT_LABELS.items()),
        initial=Effect.REQUIRE_APPROVAL,
        widget=forms.RadioSelect,
    )
    for_tenant = forms.ChoiceField(label="For", required=False)
    condition = forms.CharField(
        required=False,
        max_length=conditions.LONGEST,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "code"}),
        help_text=f"CEL; empty matches every command. Example: {conditions.EXAMPLE}. Numbers and "
        "times can be added with +, and lists searched with exists and all, one at a time.",
    )
    message = forms.CharField(
        required=False,
        max_length=_LONGEST_MESSAGE,
        label="Message to refused callers",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Shown only if the effect is Forbid.",
    )
    requester_may_vote = _Choice(label="The requester may also approve the request")
    requester_reason_required = _Choice(label="The requester must give a reason")
    approver_reason_required = _Choice(label="Approvers must give a reason")
    signed_votes = _Choice(label="Approvers must sign their votes with a passkey")
    one_open_request = _Choice(
        initial=True, label="Only one open request for the same command at a time"
    )
    minimum_membership = LengthField(
        label="Minimum membership of approvers", help_text="Empty: any length of time."
    )
    approve_within = LengthField(label="Approve within", help_text="")
    execute_within = LengthField(label="Execute within", help_text="Empty: no limit.")

    def __init__(self, *args: Any, actor: Actor, policy: Policy | None, **options: Any) -> None:
        self.policy = policy
        super().__init__(*args, **options)
        days = countersign().approve_within.days
        self.fields["approve_within"].help_text = f"Empty: the default, {days} days."
        self.fields["for_tenant"].choices = tenant_choices(actor)  # type: ignore[attr-defined]
        groups = Group.objects.order_by("name")
        for number in range(self._row_count()):
            self.fields[f"group_{number}"] = ChoiceField(
                groups, required=False, label="Group", empty_label="no group"
            )
            self.fields[f"quorum_{number}"] = forms.IntegerField(
                min_value=1, max_value=100, required=False, label="Approvals"
            )

    def clean(self) -> dict[str, Any]:
        """Check the draft like a proposal."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            check_policy(self.command())
        except Invalid as error:
            for problem in error.errors:
                field = {"groups": "group_0", "quorums": "quorum_0"}.get(problem.field)
                message = f"{problem.message[:1].upper()}{problem.message[1:]}."
                self.add_error(field or problem.field, message)
        return cleaned

    def command(self) -> CreatePolicy | EditPolicy:
        """Return the command that proposes the draft.

        :raises Invalid: if a value is not of its declared type.
        """
        rules = list(self._rules())
        given = {name: self.cleaned_data[name] for name in _PLAIN} | {
            "minimum_membership": self.cleaned_data["minimum_membership"] or timedelta(),
            "groups": tuple(group.pk for group, _ in rules),
            "quorums": tuple(quorum for _, quorum in rules),
        }
        if self.policy is None:
            return CreatePolicy(**given)
        return EditPolicy(policy_id=self.policy.pk, **given)

    def rows(self) -> Iterator[tuple[forms.BoundField, forms.BoundField]]:
        """Yield the fields of each rule."""
        for number in range(self._row_count()):
            yield self[f"group_{number}"], self[f"quorum_{number}"]

    def governed(self) -> list[str]:
        """Return suggestions of what a policy can govern."""
        types = [each.message_type for each in handling.command_classes()]
        return [*types, *sorted({f"{each.rpartition('.')[0]}.*" for each in types})]

    def names(self) -> list[tuple[str, list[str]]]:
        """Return the names that the condition can use: by type, if “Governs” is not filled in."""
        governs = self["governs"].value() or ""
        if governed := governed_by(governs):
            return [(governs, conditions.names(governed))]
        classes = handling.command_classes()
        common = conditions.names(classes)
        own = [(each.message_type, set(conditions.names([each]))) for each in classes]
        named = [(message_type, sorted(names.difference(common))) for message_type, names in own]
        return [("every command", common), *(each for each in named if each[1])]

    def _rules(self) -> Iterator[tuple[Group, int]]:
        for number in range(self._row_count()):
            group = self.cleaned_data.get(f"group_{number}")
            if group:
                yield group, self.cleaned_data.get(f"quorum_{number}") or 1

    def _row_count(self) -> int:
        given: Mapping[str, Any] = self.data if self.is_bound else self.initial
        used = [number for number in range(_MOST_ROWS) if given.get(f"group_{number}")]
        return max(_FEWEST_ROWS, max(used, default=0) + 2)


# The fields of the command that the form has under the same name and as the same value.
_PLAIN = tuple(
    each.name
    for each in fields(EditPolicy)
    if each.name not in ("policy_id", "groups", "quorums", "minimum_membership")
)


_TEXTS = ("governs", "effect", "condition", "message")
_LENGTHS = ("minimum_membership", "approve_within", "execute_within")
_FLAGS = tuple(name for name in _PLAIN if name not in (*_TEXTS, *_LENGTHS, "for_tenant"))


def draft_of(command: CreatePolicy | EditPolicy) -> list[tuple[str, str]]:
    """Return a proposed policy as the inputs of the form."""
    texts = [(name, getattr(command, name)) for name in ("for_tenant", *_TEXTS)]
    flags = [(name, "on") for name in _FLAGS if getattr(command, name)]
    lengths = [
        pair
        for name in _LENGTHS
        if (length := getattr(command, name))
        for pair in zip((f"{name}_0", f"{name}_1"), in_greatest_unit(length), strict=True)
    ]
    rules = [
        pair
        for place, (group, quorum) in enumerate(zip(command.groups, command.quorums, strict=True))
        for pair in ((f"group_{place}", group), (f"quorum_{place}", quorum))
    ]
    return [(name, str(value)) for name, value in (*texts, *flags, *lengths, *rules)]


def initial_of(policy: Policy) -> dict[str, Any]:
    """Return the form values for the current settings of a policy."""
    current = current_settings(policy)
    values = {name: getattr(current, name) for name in (*_PLAIN, "minimum_membership")}
    for number, rule in enumerate(zip(current.groups, current.quorums, strict=True)):
        values[f"group_{number}"], values[f"quorum_{number}"] = rule
    return values


def current_settings(policy: Policy) -> EditPolicy:
    """Return the command that would set the current settings of a policy."""
    rules = sorted(policy.present_rules(), key=lambda rule: rule.pk)
    return EditPolicy(
        policy_id=policy.pk,
        for_tenant=policy.tenant,
        minimum_membership=policy.minimum_membership,
        groups=tuple(rule.group_id for rule in rules),
        quorums=tuple(rule.quorum for rule in rules),
        **{name: getattr(policy, name) for name in _PLAIN if name != "for_tenant"},
    )
