"""The application in a project that lacks what it needs."""

import subprocess
import sys

_WITHOUT_PSYCOPG = """
import sys
from importlib.machinery import PathFinder

class WithoutPsycopg(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] == "psycopg":
            return None
        return super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutPsycopg

import django
from django.conf import settings

apps = ("auth", "contenttypes", "sessions", "messages", "admin")
settings.configure(
    INSTALLED_APPS=[
        *(f"django.contrib.{each}" for each in apps),
        "rest_framework", "simple_history", "audit", "approvals",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "host"}},
)
django.setup()
"""


def test_a_project_with_only_psycopg2_is_told_what_to_install():
    """Before any model: Django's backend would use psycopg2 without complaint."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_PSYCOPG], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "django.core.exceptions.ImproperlyConfigured: Countersign needs psycopg 3, and only "
        'another driver is installed. Run: pip install "psycopg[binary]"'
    )
