from django.db import migrations

from audit.models.constraints import added

LOCK = "LOCK TABLE approvals_approvalrequest, approvals_vote, approvals_policy"
CONDITIONS = {
    "approvalrequest": {
        "approvals_request_time": "(requested_at >= '2000-01-01' AND requested_at < '9999-01-01') AND (approve_by >= '2000-01-01' AND approve_by < '9999-01-01') AND (execute_by >= '2000-01-01' AND execute_by < '9999-01-01') AND (decided_at >= '2000-01-01' AND decided_at < '9999-01-01')",
        "approvals_request_amounts": "subject_number >= 0",
        "approvals_request_json": "(jsonb_typeof(requirements) = 'object' AND pg_column_size(requirements) <= 1048576) AND coalesce(jsonb_typeof(requirements -> 'rules'), '') = 'array' AND (subject_values IS NULL OR jsonb_typeof(subject_values) = 'object') AND NOT coalesce(subject_values @? '$.**{40 to last}', false) AND NOT requirements @? '$.**{40 to last}' AND length(coalesce(subject_values::text, '')) <= 1048576 AND NOT requirements @? '$.rules[*].quorum ? (@.type() <> \"number\" || @ < 1 || @ > 32767)' AND NOT requirements @? '$.options.minimum_membership_s ? (@.type() <> \"number\" || @ < 0 || @ > 8639913600)'",
        "approvals_request_ids": "((message_type || tenant || subject_type || subject_id || requester_kind || requester_id || requester_person || channel || digest) !~ '[[:cntrl:]]' AND length(message_type || tenant || subject_type || subject_id || requester_kind || requester_id || requester_person || channel || digest) <= 4000)",
    },
    "vote": {
        "approvals_vote_time": "(authenticated_at >= '2000-01-01' AND authenticated_at < '9999-01-01') AND (cast_at >= '2000-01-01' AND cast_at < '9999-01-01')",
        "approvals_vote_amounts": "number <= 1000000",
        "approvals_vote_json": "(jsonb_typeof(rules) = 'array' AND pg_column_size(rules) <= 1048576)",
    },
    "policy": {
        "approvals_policy_amounts": "minimum_membership BETWEEN interval '0' AND interval '99999 days' AND approve_within BETWEEN interval '0' AND interval '99999 days' AND execute_within BETWEEN interval '0' AND interval '99999 days'"
    },
}


class Migration(migrations.Migration):
    dependencies = [("approvals", "0004_request_seals")]

    operations = [
        # All at once, or not at all: `migrate` repeats this until it gets the locks.
        migrations.RunSQL(LOCK, migrations.RunSQL.noop),
        *(
            operation
            for model, conditions in CONDITIONS.items()
            for operation in added(model, conditions)
        ),
    ]
