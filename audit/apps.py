from importlib import import_module

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit log"

    def ready(self) -> None:
        """Have every app declare its commands, events, handlers and credentials."""
        import_module("audit.checks")
        import_module("audit.outside")
        autodiscover_modules("handlers", "credentials", "evolution")
