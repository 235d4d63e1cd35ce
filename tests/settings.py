"""The settings of the tests: the product's own, and a second domain app."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.notes"]
ROOT_URLCONF = "tests.urls"
