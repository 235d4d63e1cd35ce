from importlib import import_module

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "approvals"
    verbose_name = "Approvals"

    def ready(self) -> None:
        import_module("approvals.checks")
        import_module("approvals.decisions.handlers")
        import_module("approvals.requests.pending")
        import_module("approvals.policies.handlers")
        import_module("approvals.people.handlers")
        import_module("approvals.decisions.break_glass")
        import_module("approvals.policies.bootstrap")
