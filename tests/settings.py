"""The settings of the tests: the product's own, and a second domain app."""

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS, "tests.notes"]
# Every answer that a test gets from the API has to be as the document says.
MIDDLEWARE = ["tests.conformance.holds_to_the_document", *MIDDLEWARE]
ROOT_URLCONF = "tests.urls"
# The real ones take a quarter of a second for every person of the cast, on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Two runs at the same time on one server need two names, and so do the workers of one run.
_TEST_DATABASE = os.environ.get("TEST_DATABASE", "test_countersign")
_TEST_DATABASE += os.environ.get("PYTEST_XDIST_WORKER", "")
DATABASES["owner"]["TEST"] = {"NAME": _TEST_DATABASE, "DEPENDENCIES": []}
