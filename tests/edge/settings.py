"""The product's settings for a server in a process of its own, with pages that misbehave."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.edge.urls"
# As in tests.settings, which made the users.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
