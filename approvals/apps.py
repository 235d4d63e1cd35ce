from importlib import import_module

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "approvals"
    verbose_name = "Approvals"
    declares = (
        "case_files.approvals",
        "decisions.break_glass",
        "decisions.handlers",
        "evolution",
        "people.handlers",
        "people.roles",
        "policies.bootstrap",
        "policies.handlers",
        "requests.pending",
    )
    command_middleware = ("approvals.decisions.holding.hold_for_approval",)
    # The system alone has them, so no model declares them and they cannot be granted.
    system_permissions = frozenset({"bootstrap", "expire_request", "release_request"})

    def ready(self) -> None:
        import_module("approvals.checks")
