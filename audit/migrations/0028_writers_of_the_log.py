from django.db import migrations, models

TABLES = (
    *("transparencylog", "leaf", "treenode", "signedcheckpoint", "logkey", "publication"),
    "logwriter",
)
# The first process with LOG_KEYS registers itself; until then, workers of the release before may
# continue. The owner of the tables needs no secret.
CREATE_FUNCTION = """
    CREATE FUNCTION audit_require_log_writer() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        shown text := coalesce(current_setting('audit.log_writer', true), '');
    BEGIN
        IF EXISTS (SELECT FROM audit_logwriter WHERE digest = sha256(convert_to(shown, 'UTF8')))
            OR NOT EXISTS (SELECT FROM audit_logwriter)
            OR pg_has_role(session_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE')
        THEN
            RETURN NULL;
        END IF;
        RAISE EXCEPTION '%: only a process with LOG_KEYS writes the transparency log', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END $$
"""
DROP_FUNCTION = "DROP FUNCTION audit_require_log_writer()"
CREATE_TRIGGER = """
    CREATE TRIGGER audit_log_writer BEFORE INSERT OR UPDATE OR DELETE ON audit_{}
        FOR EACH STATEMENT EXECUTE FUNCTION audit_require_log_writer()
"""
DROP_TRIGGER = "DROP TRIGGER audit_log_writer ON audit_{}"


class Migration(migrations.Migration):
    dependencies = [("audit", "0027_no_index_of_signing_times")]

    operations = [
        migrations.CreateModel(
            name="LogWriter",
            fields=[
                ("digest", models.BinaryField(primary_key=True, serialize=False)),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Func(
                            output_field=models.BooleanField(),
                            template="octet_length(digest) = 32",
                        ),
                        name="audit_logwriter_form",
                    )
                ],
            },
        ),
        migrations.RunSQL(CREATE_FUNCTION, DROP_FUNCTION),
        *(
            migrations.RunSQL(CREATE_TRIGGER.format(each), DROP_TRIGGER.format(each))
            for each in TABLES
        ),
    ]
