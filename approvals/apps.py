from importlib import import_module
from pathlib import Path

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

import audit

# Both are installed side by side. A project may have a module of its own by that name.
if Path(str(audit.__file__)).parents[1] != Path(__file__).parents[1]:
    raise ImproperlyConfigured(
        f"The module audit is {audit.__file__}, which is not that of Countersign. Move it into a "
        "package of your project: see “Another app called audit or approvals” in docs/adopt.md."
    )


class ApprovalsConfig(AppConfig):
    name = "approvals"
    # That of the project may differ.
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Approvals"
    declares = (
        "case_files.approvals",
        "decisions.break_glass",
        "decisions.handlers",
        "delegations.handlers",
        "evolution",
        "passkeys.handlers",
        "people.handlers",
        "people.roles",
        "policies.bootstrap",
        "policies.handlers",
        "reactions",
        "requests.pending",
    )
    command_middleware = ("approvals.decisions.holding.hold_for_approval",)
    passkeys = "approvals.passkeys.factor.SecondFactor"
    must_have_second_factor = ("approvals.policies.power.decides",)
    # Only the system and processes have them: no model declares them, so no one can grant them.
    system_permissions = frozenset(
        {
            *("bootstrap", "expire_request", "issue_enrolment_code", "release_request"),
            "remind_of_deadline",
        }
    )

    def import_models(self) -> None:
        """Import the models of the sub-packages as well."""
        super().import_models()
        import_module("approvals.passkeys.models")

    def ready(self) -> None:
        import_module("approvals.checks")
