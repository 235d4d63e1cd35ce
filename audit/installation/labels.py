"""The labels audit and approvals: no other app of a project may have them."""

from pathlib import Path

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LABELS = ("audit", "approvals")
HOW = "See “Another app called audit or approvals” in docs/adopt.md."

_ROOT = Path(__file__).parents[2]


def refuse_others() -> None:
    """Check that no app but ours has one of our labels.

    Django finds that while it loads the second of the two, with an error that does not say what to
    do.

    :raises ImproperlyConfigured: if one has.
    """
    entries = [each for each in settings.INSTALLED_APPS if each.partition(".")[0] != "audit"]
    for app in map(AppConfig.create, entries):
        if app.label in LABELS and Path(app.path).parent != _ROOT:
            raise ImproperlyConfigured(
                f"The app {app.name} in {app.path} has the label {app.label}, which is that of an "
                f"app of Countersign. {HOW}"
            )
