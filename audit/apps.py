from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate

from audit import discovery
from audit.installation import labels
from audit.installation.settings import countersign

if find_spec("psycopg") is None:
    raise ImproperlyConfigured(
        "Countersign needs psycopg 3, and only another driver is installed. Run: "
        'pip install "psycopg[binary]"'
    )


class AuditConfig(AppConfig):
    name = "audit"
    # That of the project may differ.
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Audit log"
    declares = (
        *("handlers", "actors.credentials", "outside", "reactions.administration.handlers"),
        *(
            "reactions.processes.timers",
            "sessions.cleanup",
            "factors.handlers",
            "tracking.drift.detection",
        ),
        *("webhooks.handlers", "webhooks.evolution", "webhooks.sending.reactions"),
        *("evidence.appending.sequencer", "evidence.witnessing.publisher"),
        "evidence.verification.monitor",
    )
    system_permissions = frozenset(
        {
            *("record_drift", "record_log_comparison"),
            *("record_failed_sign_in", "disable_failing_webhookendpoint"),
        }
    )
    # A secret of a webhook endpoint, see `webhooks.secrets`: only its beginning may be shown.
    masked_pattern = r"(whsec_[0-9A-Za-z+/]{4})[0-9A-Za-z+/]{39}="

    def __init__(self, app_name: str, app_module: Any) -> None:
        """Check first that the labels are free: Django would report the second app of a label."""
        super().__init__(app_name, app_module)
        if type(self) is AuditConfig:
            labels.refuse_others()

    def import_models(self) -> None:
        """Import the models of the sub-packages as well."""
        super().import_models()
        import_module("audit.factors.models")
        import_module("audit.webhooks.deliveries")
        import_module("audit.evidence.models")

    def ready(self) -> None:
        """Read the settings; import the checks, and the modules that declare handlers and such."""
        countersign()
        import_module("audit.checks")
        checks: Any = import_module("audit.installation.checks")
        pre_migrate.connect(checks.refuse_other_engines, sender=self)
        import_module("audit.reactions.relays.checks")
        import_module("audit.evidence.sequencing.checks")
        import_module("audit.evidence.witnessing.checks")
        import_module("audit.rest.viewsets.checks")
        import_module("audit.tracking.checks")
        import_module("audit.factors.checks")
        import_module("audit.sessions.recording")
        discovery.import_declarations()
        protection: Any = import_module("audit.tracking.protection")
        migrations: Any = import_module("audit.tracking.migrations")
        pre_migrate.connect(migrations.begin_migrating, sender=self)
        post_migrate.connect(protection.protect_migrated, sender=self)
        writing: Any = import_module("audit.evidence.sequencing.writing")
        post_migrate.connect(writing.restore, sender=self)
        guards: Any = import_module("audit.tracking.guards")
        if guards.reports():
            connection_created.connect(guards.note_sources)
