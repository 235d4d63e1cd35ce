"""The product's settings for a server in a process of its own, with pages that misbehave."""

import os

from config.settings import *  # noqa: F403
from config.settings import DATABASES

ROOT_URLCONF = "tests.edge.urls"
# As in tests.settings, which made the users.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if os.environ.get("EDGE_READ_ONLY"):
    DATABASES["default"]["OPTIONS"]["options"] += " -c default_transaction_read_only=on"
