from django.db import migrations

from audit.models.constraints import Validate

NAMES = {
    "commandrecord": (
        "audit_command_time",
        "audit_command_amounts",
        "audit_command_json",
        "audit_command_ids",
    ),
    "eventrecord": (
        "audit_event_time",
        "audit_event_amounts",
        "audit_event_json",
        "audit_event_ids",
    ),
}


class Migration(migrations.Migration):
    # Reads both tables, without a lock that a command would wait for.
    atomic = False

    dependencies = [("audit", "0012_constraints_on_what_is_stored")]

    operations = [
        Validate(model_name=model, name=name) for model, names in NAMES.items() for name in names
    ]
