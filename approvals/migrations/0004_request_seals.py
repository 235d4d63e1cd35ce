from django.db import migrations, models

# As before, and the seal of the row changes with its state. A row of an earlier version has none,
# and gets one once.
PROTECT_REQUESTS = """
    CREATE OR REPLACE FUNCTION approvals_protect_request() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'approval request % is evidence: it cannot be deleted', OLD.id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF (to_jsonb(NEW) - ARRAY[
                'state', 'outcome', 'outcome_code', 'is_retriable', 'decided_at', 'row_seal'
            ]) IS DISTINCT FROM (to_jsonb(OLD) - ARRAY[
                'state', 'outcome', 'outcome_code', 'is_retriable', 'decided_at', 'row_seal'
            ])
        THEN
            RAISE EXCEPTION 'what approval request % asks for cannot be changed', OLD.id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF OLD.row_seal = '' AND (to_jsonb(NEW) - 'row_seal') = (to_jsonb(OLD) - 'row_seal') THEN
            RETURN NEW;
        END IF;
        IF OLD.state <> 'pending' AND NOT (OLD.state = 'failed' AND OLD.is_retriable) THEN
            RAISE EXCEPTION 'approval request % is % already, and stays so', OLD.id, OLD.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF OLD.state = 'failed' AND NEW.state NOT IN ('executed', 'refused', 'failed') THEN
            RAISE EXCEPTION 'approval request % cannot become % after it failed', OLD.id, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;
"""
PROTECT_WITHOUT_SEAL = """
    CREATE OR REPLACE FUNCTION approvals_protect_request() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'approval request % is evidence: it cannot be deleted', OLD.id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF (to_jsonb(NEW) - ARRAY[
                'state', 'outcome', 'outcome_code', 'is_retriable', 'decided_at'
            ]) IS DISTINCT FROM (to_jsonb(OLD) - ARRAY[
                'state', 'outcome', 'outcome_code', 'is_retriable', 'decided_at'
            ])
        THEN
            RAISE EXCEPTION 'what approval request % asks for cannot be changed', OLD.id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF OLD.state <> 'pending' AND NOT (OLD.state = 'failed' AND OLD.is_retriable) THEN
            RAISE EXCEPTION 'approval request % is % already, and stays so', OLD.id, OLD.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF OLD.state = 'failed' AND NEW.state NOT IN ('executed', 'refused', 'failed') THEN
            RAISE EXCEPTION 'approval request % cannot become % after it failed', OLD.id, NEW.state
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN NEW;
    END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("approvals", "0003_policy_seals")]

    operations = [
        migrations.AddField(
            model_name="approvalrequest",
            name="row_seal",
            field=models.TextField(db_default=""),
        ),
        migrations.RunSQL(PROTECT_REQUESTS, PROTECT_WITHOUT_SEAL),
    ]
