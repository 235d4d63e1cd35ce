"""The indexes of requests, for the inbox, by person and by subject; and their constraints."""

from django.db import models

from approvals.models.states import State

_IS_PENDING = models.Q(state="pending")

OF_REQUESTS = (
    models.Index(fields=("state", "-requested_at"), name="approvals_request_state"),
    # The inbox of a tenant in its order; counts read the index only.
    models.Index(
        fields=("tenant", "-requested_at", "-id"),
        include=("approve_by",),
        condition=_IS_PENDING,
        name="approvals_request_inbox",
    ),
    # The inbox of approvers of any tenant: the request that expires first comes first.
    models.Index(
        fields=("approve_by", "id"),
        condition=_IS_PENDING,
        name="approvals_request_urgency",
    ),
    models.Index(
        fields=("subject_type", "subject_id"),
        condition=_IS_PENDING,
        name="approvals_request_subject",
    ),
    models.Index(
        fields=("requester_person", "-requested_at", "-id"), name="approvals_request_person"
    ),
    models.Index(fields=("-requested_at", "-id"), name="approvals_request_newest"),
)

CONSTRAINTS_OF_REQUESTS = (
    models.CheckConstraint(
        condition=models.Q(state__in=State.values), name="approvals_request_state_known"
    ),
    models.CheckConstraint(
        condition=models.Q(is_retriable=False) | models.Q(state="failed"),
        name="approvals_request_retriable_failed",
    ),
    models.UniqueConstraint(
        fields=("command_id",),
        condition=~models.Q(state="superseded"),
        name="approvals_request_command_once",
    ),
)
