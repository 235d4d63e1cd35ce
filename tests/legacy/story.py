"""The step Hold: run in a copy of the project, as `story.py people` and later `story.py votes`."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from accounts.models import User  # noqa: E402  # after django.setup()
from articles.models import Article  # noqa: E402
from django.contrib.auth.models import Group, Permission  # noqa: E402
from django.test import Client  # noqa: E402

from approvals.models import ApprovalRequest  # noqa: E402
from audit.models import CommandRecord  # noqa: E402


def people():
    """Create the group of editors, Bob and Eva."""
    editors = Group.objects.create(name="Editors")
    editors.permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    editors.user_set.set(User.objects.filter(email__in=("bob@example.com", "eva@example.com")))


def call(caller, method, path, body=None, **headers):
    headers["Authorization"] = f"Token {caller}"
    return Client(SERVER_NAME="localhost").generic(
        method, path, body or "", content_type="application/json", headers=headers
    )


def approve(request):
    path = f"/countersign/api/approval-requests/{request.pk}/approve"
    response = call("bob", "POST", path, f'{{"digest": "{request.digest}"}}')
    assert response.status_code == 200, response.content


def votes():
    """Approve what waits; it is executed, and a repeat of the request returns its outcome."""
    key = {"Idempotency-Key": "a-key"}
    first = call("ann", "DELETE", "/api/articles/two/", **key)
    assert first.status_code == 202, first.content
    assert Article.objects.filter(slug="two").exists()

    for request in ApprovalRequest.objects.filter(state="pending").order_by("pk"):
        approve(request)

    assert not Article.objects.filter(slug__in=("two", "form")).exists()
    again = call("ann", "DELETE", "/api/articles/two/", **key)
    assert (again.status_code, again["Idempotency-Replayed"]) == (200, "true")
    records = CommandRecord.objects.filter(message_type="articles.delete").order_by("position")
    assert "succeeded" in [each.status for each in records]
    gone = Article.history.filter(history_type="-", slug="two").get()
    assert gone.history_actor_label == "ann@example.com"


{"people": people, "votes": votes}[sys.argv[1]]()
