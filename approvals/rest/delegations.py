"""The delegation endpoints, for users who are signed in."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, TypedDict
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.status import HTTP_201_CREATED

from approvals.delegations import handlers, listing
from approvals.delegations.commands import Delegate, EndDelegation
from approvals.models import refusals
from approvals.people.likeness import LikeAnApprover
from audit.bus import store
from audit.installation import users
from audit.messages.classes import Subject
from audit.messages.outcomes import Completed
from audit.rest.openapi.operations import documented
from audit.rest.references import Address, Uuid, Version, address, resource
from audit.rest.times import TimeField
from audit.rest.viewsets.commands import CommandInput, CommandViewSet
from audit.subjects.streams import with_numbers
from audit.subjects.types import visible

_MOST = 500
_OF_NO_ROW = 0


class DelegationResource(TypedDict):
    """The right of the delegate to vote in the place of the delegator, for some groups."""

    id: Uuid
    url: Address
    version: Version
    delegator: str
    delegate: str
    groups: list[str]
    begins_at: datetime
    ends_at: datetime
    ended: Annotated[bool, "True if it was ended early: then its votes no longer count."]


class DelegationList(TypedDict):
    """The newest delegations that the caller may see."""

    results: list[DelegationResource]


class NamedField(serializers.SlugRelatedField):
    """A person or a group, by name.

    A missing one is refused by the command, like one that is not allowed: otherwise the response
    would reveal which names exist.
    """

    def to_internal_value(self, data: Any) -> int:
        """Return the id, or that of no row if there is none. PostgreSQL text cannot contain NUL."""
        if not isinstance(data, str):
            self.fail("invalid")
        if "\x00" in data:
            return _OF_NO_ROW
        rows: Any = self.get_queryset()
        found = rows.filter(**{self.slug_field: data}).first()
        return found.pk if found else _OF_NO_ROW


class DelegationInput(CommandInput):
    """The person who may vote in your place, for which of your groups, and when."""

    delegate = NamedField(
        queryset=users.manager().all(),
        slug_field=users.name_field(),
        help_text="The username of the delegate.",
    )
    groups = serializers.ListField(
        child=NamedField(queryset=Group.objects.all(), slug_field="name"),
        allow_empty=False,
        max_length=100,
        help_text="The names of groups that you belong to.",
    )
    begins_at = TimeField(required=False, help_text="By default, it begins at once.")
    ends_at = TimeField()

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the values under the names of the command's fields."""
        delegate_id, groups = attrs.pop("delegate"), attrs.pop("groups")
        return attrs | {"delegate_id": delegate_id, "groups": tuple(groups)}


_command = partial(documented, gives=DelegationResource, is_command=True, is_for_people=True)


class DelegationViewSet(CommandViewSet):
    """Delegations: the right to vote in the place of another person, for a period."""

    tag = "delegations"
    field_names = {"delegate_id": "delegate"}

    @documented("list_delegations", gives=DelegationList, is_for_people=True)
    def list(self, request: Request) -> Response:
        """List your delegations and those to you, newest first."""
        found = list(self._visible().order_by("-pk")[:_MOST])
        return Response({"results": _resources(found)})

    @documented("retrieve_delegation", gives=DelegationResource, is_for_people=True)
    def retrieve(self, request: Request, delegation_id: UUID) -> Response:
        """Return one delegation."""
        found = visible(self._visible(), Subject("delegation", str(delegation_id)))
        return Response(_resources([found])[0])

    @_command(
        "create_delegation",
        takes=DelegationInput,
        succeeds_with=HTTP_201_CREATED,
        raises=(refusals.NotAPerson, LikeAnApprover),
    )
    def create(self, request: Request) -> Response:
        """Delegate your votes to another person; long periods need two policy owners' approval."""
        return self.send(Delegate)

    @_command("end_delegation", raises=(handlers.AlreadyEnded, handlers.NotYourDelegation))
    def end(self, request: Request, delegation_id: UUID) -> Response:
        """End a delegation early; its votes on undecided requests no longer count."""
        return self.send(EndDelegation, delegation_id=delegation_id)

    def represent(self, completed: Completed) -> DelegationResource:
        """Return the delegation as it is now."""
        found = listing.delegations().get(pk=completed.result.pk)
        found.number = store.current_number(Subject("delegation", str(found.pk)))
        return _resources([found])[0]

    def _visible(self) -> QuerySet[Any]:
        rows: QuerySet[Any] = with_numbers(listing.visible_to(self.actor))
        return rows


def _resources(delegations: list[Any]) -> list[DelegationResource]:
    """Return the JSON of delegations, with the names of their groups, by one query."""
    names = listing.group_names(delegations)
    return [
        resource(
            DelegationResource,
            each,
            id=str(each.pk),
            url=address("countersign:delegation", "delegation_id", each.pk),
            version=each.number,
            delegator=each.delegator_label,
            delegate=each.delegate_label,
            groups=names[each.pk],
            ended=each.is_ended,
        )
        for each in delegations
    ]
