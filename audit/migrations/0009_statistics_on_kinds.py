from django.db import migrations

# Type, status and channel depend on each other: taken by themselves, PostgreSQL expects a third of
# the updates through the admin that there are, and a picture counts three times what it should.
# It learns more with the next ANALYZE; nothing is written for it along with a command.
MAKE = """
    CREATE STATISTICS audit_command_kinds (mcv) ON message_type, status, channel
        FROM audit_commandrecord
"""
DROP = "DROP STATISTICS audit_command_kinds"


class Migration(migrations.Migration):
    dependencies = [("audit", "0008_position_in_index_of_streams")]

    operations = [migrations.RunSQL(MAKE, DROP)]
