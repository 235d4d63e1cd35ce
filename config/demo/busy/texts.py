"""Texts of the busy month: names, reasons and user agents."""

from typing import Any

PEOPLE = {
    "Acme": ("dana", "felix", "priya"),
    "Globex": ("gus", "marta"),
    "Harbor Logistics": ("hugo", "nadia", "sven"),
    "Lumen Clinics": ("lena", "tom"),
}
# They may view and create keys, and sometimes try more.
JUNIORS = frozenset({"felix", "sven", "tom", "nico"})
ROBOTS = {
    "Acme": ("deploy-bot", "portal"),
    "Globex": ("erp-gateway", "reporting"),
    "Harbor Logistics": ("dispatch-server", "customs-feed"),
    "Lumen Clinics": ("records-bridge",),
}
# Each customer's share of the activity, in percent.
SHARES = {"Acme": 45, "Globex": 25, "Harbor Logistics": 20, "Lumen Clinics": 10}

SYSTEMS = (
    *("billing-export", "ci", "ios-app", "android-app", "warehouse-sync", "partner-portal"),
    *("invoice-mailer", "fraud-check", "nightly-backup", "price-feed", "chat-support"),
    *("stock-levels", "route-planner", "payroll", "web-shop", "crm-import", "label-printer"),
    *("status-page", "appointment-reminder", "lab-results", "loyalty-card", "load-test"),
)
PLACES = ("", "", "", "-eu", "-us", "-staging", "-2")

USER_AGENTS = {
    "v1": ("python-requests/2.32.3", "okhttp/4.12.0", "Faraday v1.10.4", "curl/8.9.1"),
    "v2": ("acme-sdk-python/3.1.0", "acme-sdk-go/1.8.2", "undici"),
    "admin": ("Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",),
}

WHY_CREATE = (
    "New integration with a partner",
    "Moving the job to its own key",
    "One key per service, as agreed in the review",
    "The old key was shared by two teams",
    "Pilot with ten users",
    "Replaces the key of the contractor",
    "Set up the staging environment",
    "",
)
WHY_ENABLE = (
    "Maintenance is over",
    "The vendor confirmed that the leaked key is another one",
    "Invoice has been paid",
    "Back from the code freeze",
    "The service is needed again for the audit",
    "Switched off by mistake",
    "",
)
WHY_DISABLE = (
    "Found in a public repository",
    "The contractor has left",
    "Not used for ninety days",
    "Maintenance of the warehouse system tonight",
    "Replaced by a separate key for each service",
    "Unusual traffic from an unknown network",
    "The customer has ended the contract",
    "The integration was switched off last week",
    "Laptop was stolen on the train",
)
# Changes to a key, each with its reason.
CHANGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"description": "Sends the nightly invoices"}, "No one knew what it was for"),
    ({"description": "Owned by the platform team since October"}, "The teams were reshuffled"),
    ({"allowed_networks": ("198.51.100.0/24",)}, "From the data center only, as reviewed"),
    ({"allowed_networks": ("198.51.100.0/24", "203.0.113.0/24")}, "The second site goes live"),
    ({"scopes": ("keys:read",)}, "It only needs to read"),
    ({"scopes": ("keys:read", "keys:write")}, "The import has to create keys again"),
    ({"metadata": {"team": "payments", "ticket": "SEC-311"}}, "Labels for the cost report"),
    ({"metadata": {"team": "logistics"}}, "Labels for the cost report"),
)
WHY_EXPIRE = (
    "The contract ends with the quarter",
    "A pilot with a fixed end",
    "Every key needs an end date",
)
WHY_ROTATE = (
    "Every ninety days, as agreed",
    "Was pasted into a chat",
    "The contractor knew the secret",
    "Moved to another vault",
)
WHY_DELETE = (
    "Disabled for weeks, without complaints",
    "The service was taken down",
    "The pilot is over",
)
WHY_APPROVE = (
    "",
    "",
    "",
    "Checked with the owner",
    "No traffic since Monday, fine",
    "Agreed in the stand-up",
    "The ticket has the evidence",
)
WHY_DENY = (
    "Still used by the billing run on the first of the month",
    "Ask the owner first, please",
    "Rotate it instead: the shop depends on it",
    "Wrong key: another one has leaked",
    "Not during the sale",
)
WHY_WITHDRAW = (
    "Requested for the wrong key",
    "Solved in another way",
    "The partner needs it until Friday",
    "",
)
WHY_TAKE_BACK = (
    "Approved too quickly: the owner has a question",
    "There is traffic on it after all",
)
WHY_BY_HAND = (
    "OPS-4127: a typo in the name, corrected in the database",
    "OPS-4163: the import had set the wrong name",
    "OPS-4188: the name carried a customer number, which it must not",
    "OPS-4230: restored the name from the backup of last night",
)
