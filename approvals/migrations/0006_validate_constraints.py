from django.db import migrations

from audit.models.constraints import Validate

NAMES = {
    "approvalrequest": (
        "approvals_request_time",
        "approvals_request_amounts",
        "approvals_request_json",
        "approvals_request_ids",
    ),
    "vote": ("approvals_vote_time", "approvals_vote_amounts", "approvals_vote_json"),
    "policy": ("approvals_policy_amounts",),
}


class Migration(migrations.Migration):
    # Reads the tables, without a lock that a command would wait for.
    atomic = False

    dependencies = [("approvals", "0005_constraints_on_what_is_stored")]

    operations = [
        Validate(model_name=model, name=name) for model, names in NAMES.items() for name in names
    ]
