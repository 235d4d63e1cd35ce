from importlib import import_module

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "approvals"
    verbose_name = "Approvals"

    def ready(self) -> None:
        import_module("approvals.checks")
        import_module("approvals.pending")
        import_module("approvals.policy_handlers")
        import_module("approvals.people_handlers")
        import_module("approvals.break_glass")
        import_module("approvals.bootstrap")
