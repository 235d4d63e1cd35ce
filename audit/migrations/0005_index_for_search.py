from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Collate, Lower

# The words of a reason, with the tenant and the day of the row: see audit/search/words.py, which
# asks for this very expression. No extension is needed for it, as it would be for trigrams. Without
# a list of what is pending, no command has to wait while a long one is worked off.
MAKE_WORDS = """
    CREATE INDEX CONCURRENTLY audit_command_words ON audit_commandrecord USING gin ((
        to_tsvector('simple', reason) || array_to_tsvector(ARRAY[
            'tenant ' || tenant,
            'day ' || floor(extract(epoch FROM received_at AT TIME ZONE 'UTC') / 86400)::int::text
        ])
    )) WITH (fastupdate = off) WHERE reason <> ''
"""
DROP_WORDS = "DROP INDEX CONCURRENTLY audit_command_words"

# Counting along an index needs no row for whatever is vacuumed. By default a log is vacuumed after
# it has grown by a fifth, which is two million rows of ten million.
VACUUM_OFTEN = """
    ALTER TABLE audit_commandrecord SET (
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000
    )
"""
VACUUM_BY_DEFAULT = """
    ALTER TABLE audit_commandrecord RESET (
        autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold
    )
"""
# Nearly always there is one epoch. From its statistics PostgreSQL concludes that nothing is behind
# (epoch, xid, position), because it looks at the first of the three alone, and then goes through
# all the rest of the log for the few events that a reader may see. Without any it expects a third.
EXPECT_MORE = """
    ALTER TABLE audit_commandrecord ALTER COLUMN epoch SET STATISTICS 0;
    ALTER TABLE audit_eventrecord ALTER COLUMN epoch SET STATISTICS 0;
    -- To the type that it has: what was known about the column is forgotten.
    ALTER TABLE audit_commandrecord ALTER COLUMN epoch TYPE integer;
    ALTER TABLE audit_eventrecord ALTER COLUMN epoch TYPE integer
"""
EXPECT_BY_STATISTICS = """
    ALTER TABLE audit_commandrecord ALTER COLUMN epoch SET STATISTICS -1;
    ALTER TABLE audit_eventrecord ALTER COLUMN epoch SET STATISTICS -1
"""
KIND = ["message_type", "status", "channel"]


class Migration(migrations.Migration):
    # Built while the log is being written: each may take minutes.
    atomic = False

    dependencies = [("audit", "0004_index_by_person")]

    operations = [
        RemoveIndexConcurrently("commandrecord", "audit_command_subject"),
        RemoveIndexConcurrently("commandrecord", "audit_command_received"),
        *[
            AddIndexConcurrently("commandrecord", index)
            for index in (
                models.Index(
                    fields=["subject_type", "subject_id", "received_at", "position"],
                    name="audit_command_subject",
                ),
                models.Index(fields=["received_at", "position"], name="audit_command_time"),
                models.Index(
                    fields=["tenant", "received_at", "position"], name="audit_command_tenant_time"
                ),
                models.Index(fields=[*KIND, "received_at", "position"], name="audit_command_kind"),
                models.Index(
                    fields=["tenant", *KIND, "received_at", "position"],
                    name="audit_command_tenant_kind",
                ),
                models.Index(
                    fields=[
                        "actor_kind",
                        "actor_id",
                        "tenant",
                        "status",
                        "received_at",
                        "position",
                    ],
                    name="audit_command_actor_time",
                ),
                models.Index(
                    Collate(Lower("actor_label"), "C"),
                    "actor_kind",
                    "actor_id",
                    name="audit_command_name",
                ),
            )
        ],
        migrations.RunSQL(MAKE_WORDS, DROP_WORDS),
        migrations.RunSQL(VACUUM_OFTEN, VACUUM_BY_DEFAULT),
        migrations.RunSQL(EXPECT_MORE, EXPECT_BY_STATISTICS),
    ]
