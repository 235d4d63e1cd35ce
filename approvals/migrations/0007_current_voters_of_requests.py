import django.contrib.postgres.fields
from django.db import migrations, models

# As before, and the current voters change with each vote, under a new seal.
PROTECT_REQUESTS = """
    CREATE OR REPLACE FUNCTION approvals_protect_request() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'approval request % is evidence: it cannot be deleted', OLD.id
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF (to_jsonb(NEW) - ARRAY[
                'state', 'outcome', 'outcome_code', 'is_retriable', 'decided_at', 'row_seal'{also}
            ]) IS DISTINCT FROM (to_jsonb(OLD) - ARRAY[
                'state', 'outcome', 'outcome_code', 'is_retriable', 'decided_at', 'row_seal'{also}
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


class Migration(migrations.Migration):
    dependencies = [("approvals", "0006_validate_constraints")]

    operations = [
        # The rows of earlier versions have none: their voters are read from the votes.
        migrations.AddField(
            model_name="approvalrequest",
            name="voters",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.IntegerField(), default=list, null=True, size=None
            ),
        ),
        migrations.RunSQL(
            PROTECT_REQUESTS.format(also=", 'voters'"), PROTECT_REQUESTS.format(also="")
        ),
    ]
