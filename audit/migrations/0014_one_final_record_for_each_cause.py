from django.db import migrations, models

_FINAL = "WHERE status IN ('succeeded', 'refused', 'cancelled')"
# Built while the log is being written; the former constraint goes when its successor is there.
_ADD = f"""
    CREATE UNIQUE INDEX CONCURRENTLY audit_command_final_by_cause
    ON audit_commandrecord (command_id, causation_id) NULLS NOT DISTINCT {_FINAL}
"""
_REMOVE = "DROP INDEX CONCURRENTLY audit_command_final_by_cause"
_REMOVE_FORMER = "DROP INDEX CONCURRENTLY audit_command_final_once"
_ADD_FORMER = f"""
    CREATE UNIQUE INDEX CONCURRENTLY audit_command_final_once
    ON audit_commandrecord (command_id) {_FINAL}
"""


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("audit", "0013_validate_constraints")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(_ADD, _REMOVE),
                migrations.RunSQL(_REMOVE_FORMER, _ADD_FORMER),
            ],
            state_operations=[
                migrations.RemoveConstraint("commandrecord", "audit_command_final_once"),
                migrations.AddConstraint(
                    "commandrecord",
                    models.UniqueConstraint(
                        fields=("command_id", "causation_id"),
                        condition=models.Q(status__in=("succeeded", "refused", "cancelled")),
                        nulls_distinct=False,
                        name="audit_command_final_by_cause",
                    ),
                ),
            ],
        )
    ]
