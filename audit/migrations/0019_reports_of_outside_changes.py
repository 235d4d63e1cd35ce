from django.db import migrations, models
from django.db.models.functions import Now

# With the rights of its owner: the serving role cannot write reports itself. No one else may execute
# it, so no one can attach it to a table of their own and forge a report.
CREATE_FUNCTION = r"""
    DO $do$
    BEGIN
        EXECUTE format($sql$
            CREATE FUNCTION audit_report_change() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $function$
            BEGIN
                IF coalesce(current_setting('audit.command_id', true), '') = '' THEN
                    INSERT INTO %I.audit_outsidechange
                        (at, table_name, operation, program, role, source)
                    VALUES (clock_timestamp(), TG_TABLE_NAME, TG_OP,
                        current_setting('application_name'), session_user,
                        coalesce(substring(
                            current_query() FROM '/\* source: ([[:alnum:]_./:-]+) \*/$'), ''));
                END IF;
                RETURN NULL;
            END $function$
        $sql$, current_schema());
    END $do$;
    REVOKE ALL ON FUNCTION audit_report_change() FROM PUBLIC
"""
DROP_FUNCTION = "DROP FUNCTION audit_report_change() CASCADE"


class Migration(migrations.Migration):
    dependencies = [("audit", "0018_indexes_by_request_and_address")]

    operations = [
        migrations.CreateModel(
            name="OutsideChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField(db_default=Now())),
                ("table_name", models.TextField()),
                ("operation", models.TextField()),
                ("program", models.TextField(blank=True)),
                ("role", models.TextField()),
                ("source", models.TextField(blank=True)),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["table_name", "at"], name="audit_outside_table_time")
                ],
            },
        ),
        migrations.RunSQL(CREATE_FUNCTION, DROP_FUNCTION),
    ]
