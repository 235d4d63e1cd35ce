"""Dry runs of writes: ``?dry_run=true`` returns what would happen, and leaves nothing behind."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, TypedDict

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit.bus import postponements
from audit.messages.outcomes import Postponed
from audit.rest.listing import Parameters
from audit.rest.problems import ProblemDetails
from audit.rest.references import CommandReference, status_url
from audit.rest.resources import RequirementOfGroup

#: The longest that a statement may take: a lock is awaited for a quarter of it.
TIMEOUT = timedelta(seconds=2)
HEADERS = {"Dry-Run": "true", "Cache-Control": "no-store"}


class Prospect(StrEnum):
    """The outcome that a write would have."""

    SUCCESS = "would_succeed"
    HOLD = "would_be_held"
    REFUSAL = "would_be_refused"


class RequiredApproval(TypedDict):
    """The approval that a write would wait for."""

    requirements: Annotated[list[RequirementOfGroup], "The groups that would have to approve it."]
    approve_by: datetime | None
    command: Annotated[CommandReference | None, "The same command, if it is waiting already."]


class DryRun(TypedDict):
    """The outcome that a write would have now. Nothing was changed, recorded or sent."""

    dry_run: Literal[True]
    outcome: Prospect
    resource: Annotated[
        dict[str, Any] | None,
        "The resource as it would be; new ids, times and prefixes would differ.",
    ]
    approval: RequiredApproval | None
    problem: Annotated[ProblemDetails | None, "The response that the write would get."]


class FlagField(serializers.Field):
    """A parameter that is true or false, and nothing else: a typing error would execute a write."""

    json_schema: ClassVar = {"type": "boolean", "default": False}

    def to_internal_value(self, data: Any) -> bool:
        """Return the value.

        :raises ValidationError: if it is neither true nor false.
        """
        if data not in ("true", "false"):
            raise serializers.ValidationError("must be true or false", code="invalid")
        return bool(data == "true")


class DryRunParameters(Parameters):
    """The query parameters of a write."""

    dry_run = FlagField(
        required=False, help_text="Return what would happen, and leave nothing behind."
    )


def is_requested(request: Request) -> bool:
    """Return True if a dry run is requested.

    :raises Invalid: if a query parameter is unknown or not valid.
    """
    return bool(DryRunParameters.of(request).get("dry_run"))


def required_approval(held: Postponed) -> RequiredApproval:
    """Return the approval that a command needs which a preview has held."""
    progress = held.progress or postponements.progress(held.command_id)
    command_id = held.command_id
    waiting: CommandReference = {"id": str(command_id), "url": status_url(command_id)}
    return {
        "requirements": [
            {"group": need.group, "needed": need.needed, "have": need.have}
            for need in (progress.needs if progress else ())
        ],
        "approve_by": progress.approve_by if progress else None,
        "command": waiting if held.is_repeat else None,
    }


def response(
    outcome: Prospect,
    *,
    resource: Any = None,
    approval: RequiredApproval | None = None,
    problem: ProblemDetails | None = None,
) -> Response:
    """Return the response to a dry run."""
    body: DryRun = {
        "dry_run": True,
        "outcome": outcome,
        "resource": resource,
        "approval": approval,
        "problem": problem,
    }
    return Response(body, headers=HEADERS)
