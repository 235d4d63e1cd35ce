"""How requests are found quickly: by the inbox, by person and by subject."""

from django.db import models

_IS_PENDING = models.Q(state="pending")

OF_REQUESTS = (
    models.Index(fields=("state", "-requested_at"), name="approvals_request_state"),
    # The inbox of a tenant in its order; it is counted without a look at the rows.
    models.Index(
        fields=("tenant", "-requested_at", "-id"),
        include=("approve_by",),
        condition=_IS_PENDING,
        name="approvals_request_inbox",
    ),
    # As approvers read it, whatever tenants they see: what runs out first comes first.
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
