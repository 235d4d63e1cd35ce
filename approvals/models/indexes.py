"""The indexes of requests, for the inbox, by person and by subject; and constraints."""

from django.db import models

from approvals.models.states import State
from audit.models.constraints import check, json_of, one_line, within_calendar

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
    # The inbox of approvers of any tenant: the request that expires first comes first. It decides
    # who is asked by the index only, since the rows of 10,000 requests are 17 MB. The API sorts its
    # lists by the time of the request.
    models.Index(
        fields=("approve_by", "id"),
        include=(
            *("tenant", "requester_person", "message_type", "voters", "approver_groups"),
            "requested_at",
        ),
        condition=_IS_PENDING,
        name="approvals_request_asked",
    ),
    # Usually empty: then no condition on the requirements is necessary.
    models.Index(
        fields=("id",),
        condition=_IS_PENDING & models.Q(approver_groups=None),
        name="approvals_request_unlisted",
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
    check(
        "approvals_request_time",
        within_calendar("requested_at", "approve_by", "execute_by", "decided_at"),
    ),
    check("approvals_request_start", within_calendar("execute_after")),
    check("approvals_request_amounts", "subject_number >= 0"),
    check(
        "approvals_request_json",
        json_of("object", "requirements", largest=2**20),
        "coalesce(jsonb_typeof(requirements -> 'rules'), '') = 'array'",
        "(subject_values IS NULL OR jsonb_typeof(subject_values) = 'object')",
        # Lists that read many requests as one document would read none.
        "NOT coalesce(subject_values @? '$.**{40 to last}', false)",
        "NOT requirements @? '$.**{40 to last}'",
        "length(coalesce(subject_values::text, '')) <= 1048576",
        "NOT requirements @? '$.rules[*].quorum ? (@.type() <> \"number\" || @ < 1 || @ > 32767)'",
        "NOT requirements @? '$.options.minimum_membership_s"
        ' ? (@.type() <> "number" || @ < 0 || @ > 8639913600)\'',
    ),
    check(
        "approvals_request_ids",
        one_line(
            *("message_type", "tenant", "subject_type", "subject_id", "requester_kind"),
            *("requester_id", "requester_person", "channel", "digest"),
            longest=4_000,
        ),
    ),
)

CONSTRAINTS_OF_VOTES = (
    check("approvals_vote_time", within_calendar("authenticated_at", "cast_at")),
    check("approvals_vote_amounts", "number <= 1000000"),
    check("approvals_vote_json", json_of("array", "rules", largest=2**20)),
    check(
        "approvals_vote_place",
        "(delegation_id IS NULL) = (delegator_id IS NULL)",
        "(delegation_id IS NULL) = (delegator_label = '')",
    ),
)

CONSTRAINTS_OF_DELEGATIONS = (
    check(
        "approvals_delegation_time", within_calendar("begins_at", "ends_at"), "begins_at < ends_at"
    ),
    check("approvals_delegation_people", "delegator_id <> delegate_id"),
    check(
        "approvals_delegation_groups",
        "cardinality(groups) BETWEEN 1 AND 100",
        "array_ndims(groups) = 1",
        "array_position(groups, NULL) IS NULL",
    ),
)

CONSTRAINTS_OF_POLICIES = (
    check(
        "approvals_policy_amounts",
        *(
            f"{each} BETWEEN interval '0' AND interval '99999 days'"
            for each in ("minimum_membership", "approve_within", "execute_within")
        ),
    ),
)
