"""The product's settings, and the rivals as apps beside it."""

from config.settings import *  # noqa: F403  # Django's settings are a module's names
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "rest_framework.authtoken",
    "rest_framework_api_key",
    "knox",
    "auditlog",
    "reversion",
    "pgtrigger",
    "pghistory",
    "benchmarks.rivals",
]
ROOT_URLCONF = "benchmarks.rivals.urls"
# What is measured is how long it takes, not when it stops.
RATE_LIMIT_PER_KEY = (1_000_000, 1)
