from importlib import import_module
from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from audit import discovery
from audit.installation.settings import countersign


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit log"
    declares = ("handlers", "actors.credentials", "outside")
    system_permissions = frozenset({"record_drift", "record_failed_sign_in"})

    def ready(self) -> None:
        """Read the settings; import the checks, and the modules that declare handlers and such."""
        countersign()
        import_module("audit.checks")
        import_module("audit.installation.checks")
        import_module("audit.tracking.checks")
        import_module("audit.sessions.recording")
        discovery.import_declarations()
        guards: Any = import_module("audit.tracking.guards")
        if guards.reports():
            connection_created.connect(guards.note_sources)
