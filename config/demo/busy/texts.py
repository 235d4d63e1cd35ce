"""Texts of the busy month: customers, names, reasons and user agents."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from apikeys import commands as keys
from approvals.decisions import commands as decisions
from audit.messages.classes import Command


class Staff(NamedTuple):
    """The people and services that act for a customer."""

    # Its share of the activity, in percent.
    share: int
    # They may do everything with its keys.
    seniors: tuple[str, ...]
    # They may view and create keys, and sometimes try more.
    juniors: tuple[str, ...]
    # Names of keys, with the channel that each service uses.
    services: dict[str, str]


# The banner of `make run` shows the key “first”.
_ACME = {"deploy-bot": "v1", "portal": "v2", "first": "v1"}
STAFF = {
    "Acme": Staff(45, ("dana", "priya"), ("felix",), _ACME),
    "Globex": Staff(25, ("gus", "marta"), ("malik",), {"erp-gateway": "v1", "reporting": "v2"}),
    "Harbor Logistics": Staff(
        20, ("hugo", "nadia"), ("sven",), {"dispatch-server": "v1", "customs-feed": "v2"}
    ),
    "Lumen Clinics": Staff(10, ("lena",), ("tom",), {"records-bridge": "v1"}),
}
# From some day on, a policy forbids names that start with “tmp”.
SYSTEMS = (
    *("billing-export", "ci", "ios-app", "android-app", "warehouse-sync", "partner-portal"),
    *("invoice-mailer", "fraud-check", "nightly-backup", "price-feed", "chat-support"),
    *("stock-levels", "route-planner", "payroll", "web-shop", "crm-import", "label-printer"),
    *("status-page", "appointment-reminder", "lab-results", "loyalty-card", "load-test"),
    *("tmp-17", "tmp-4", "tmp-new"),
)
PLACES = ("", "", "", "-eu", "-us", "-staging", "-2")
USER_AGENTS = {
    "v1": ("python-requests/2.32.3", "okhttp/4.12.0", "Faraday v1.10.4", "curl/8.9.1"),
    "v2": ("acme-sdk-python/3.1.0", "acme-sdk-go/1.8.2", "undici"),
    "admin": ("Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",),
}

_TODAY = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
# Changes to a key: the fields that are set for each reason.
_CHANGES: dict[str, dict[str, Any]] = {
    "No one knew what it was for": {"description": "Sends the nightly invoices"},
    "The teams were reshuffled": {"description": "Owned by the platform team since October"},
    "From the data center only, as reviewed": {"allowed_networks": ("198.51.100.0/24",)},
    "The second site goes live": {"allowed_networks": ("198.51.100.0/24", "203.0.113.0/24")},
    "It only needs to read": {"scopes": ("keys:read",)},
    "The import has to create keys again": {"scopes": ("keys:read", "keys:write")},
    "Labels for the cost report": {"metadata": {"team": "payments", "ticket": "SEC-311"}},
    "The contract ends with the quarter": {"expires_at": _TODAY + timedelta(days=90)},
    "A pilot with a fixed end": {"expires_at": _TODAY + timedelta(days=30)},
}
_ROTATIONS: dict[str, dict[str, Any]] = {
    "Every ninety days, as agreed": {"overlap_seconds": 86_400},
    "Was pasted into a chat": {"overlap_seconds": 0},
    "The contractor knew the secret": {"overlap_seconds": 3_600},
    "Moved to another vault": {"overlap_seconds": 3 * 86_400},
}
FIELDS = _CHANGES | _ROTATIONS
REASONS: dict[Callable[..., Command], tuple[str, ...]] = {
    keys.CreateApiKey: (
        *("New integration with a partner", "Moving the job to its own key"),
        *("One key per service, as agreed in the review", "The old key was shared by two teams"),
        *("Pilot with ten users", "Set up the staging environment", ""),
    ),
    keys.EnableApiKey: (
        *("Maintenance is over", "The vendor confirmed that the leaked key is another one"),
        *("Invoice has been paid", "Back from the code freeze", "Switched off by mistake", ""),
    ),
    keys.DisableApiKey: (
        *("Found in a public repository", "The contractor has left", "Not used for ninety days"),
        *("Maintenance of the warehouse system tonight", "The customer has ended the contract"),
        *("Unusual traffic from an unknown network", "Laptop was stolen on the train"),
    ),
    keys.UpdateApiKey: tuple(_CHANGES),
    keys.RotateApiKey: tuple(_ROTATIONS),
    keys.DeleteApiKey: ("Disabled for weeks, without complaints", "The service was taken down"),
    decisions.Approve: ("", "", "", "Checked with the owner", "No traffic since Monday, fine"),
    decisions.Deny: (
        *("Still used by the billing run on the first of the month", "Not during the sale"),
        *("Ask the owner first, please", "Rotate it instead: the shop depends on it"),
    ),
    decisions.Withdraw: ("Requested for the wrong key", "Solved in another way", ""),
    decisions.TakeBack: ("Approved too quickly", "There is traffic on it after all"),
}
