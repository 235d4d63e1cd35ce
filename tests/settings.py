"""The settings of the tests: the product's, and three more apps."""

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS, "tests.notes", "tests.boards", "tests.articles"]
# Every API response in a test must conform to the OpenAPI document.
MIDDLEWARE = ["tests.conformance.holds_to_the_document", *MIDDLEWARE]
ROOT_URLCONF = "tests.urls"
# The default hashers take a quarter of a second for each user, on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Concurrent runs on one server need different names, and so do the workers of one run.
_TEST_DATABASE = os.environ.get("TEST_DATABASE", "test_countersign")
_TEST_DATABASE += os.environ.get("PYTEST_XDIST_WORKER", "")
DATABASES["owner"]["TEST"] = {"NAME": _TEST_DATABASE, "DEPENDENCIES": []}
# Connections outlive a test. None may be replaced for its age while a test counts what it sends.
DATABASES["default"]["CONN_MAX_AGE"] = None
