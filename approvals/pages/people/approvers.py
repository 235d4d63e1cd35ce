"""The form that creates an account as an approver, in one command."""

from typing import Any

from django import forms
from django.contrib.auth.models import Group

from approvals.pages.choices import ChoiceField
from approvals.pages.people.permissions import of_the_role
from approvals.people import roles
from approvals.people.likeness import LikeAnApprover
from audit.messages.exceptions import Invalid


class NewApproverForm(forms.Form):
    """The account of a new approver, the group, and the permissions of the role."""

    username = forms.CharField(max_length=150, widget=forms.TextInput({"autocomplete": "off"}))
    email = forms.EmailField(
        label="E-mail address",
        help_text="Once the account is created, a link to set the password is sent there.",
        widget=forms.EmailInput({"autocomplete": "off"}),
    )
    group = ChoiceField(Group.objects.none(), empty_label="no group")
    permissions = forms.MultipleChoiceField(
        label="May also", required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["group"].queryset = Group.objects.order_by("name", "pk")  # type: ignore[attr-defined]
        choices = list(of_the_role())
        self.fields["permissions"].choices = choices  # type: ignore[attr-defined]
        self.fields["permissions"].initial = [name for name, _ in choices]

    def clean(self) -> dict[str, Any]:
        """Check the account like the command that creates it."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        try:
            roles.new_approver(self.command())
        except LikeAnApprover as error:
            self.add_error("username", error.message)
        except Invalid as error:
            for problem in error.errors:
                self.add_error(problem.field, problem.message)
        return cleaned

    def command(self) -> roles.CreateApprover:
        """Return the command that creates the approver.

        :raises Invalid: if a value is not of its declared type.
        """
        given = self.cleaned_data
        return roles.CreateApprover(
            username=given["username"],
            email=given["email"],
            group_id=given["group"].pk,
            permissions=tuple(given["permissions"]),
        )
