"""What the guide promises, in a project with only the documented settings."""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import SimpleQueue
from threading import Thread

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from accounts.models import Person  # noqa: E402  # after django.setup()
from django.contrib.auth.models import Group, Permission  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402
from notes.handlers import Write  # noqa: E402
from notes.models import Note, Tally  # noqa: E402

from approvals.models import ApprovalRequest  # noqa: E402
from audit.actors.actors import actor_for_user  # noqa: E402
from audit.domain import Completed, Context, Postponed  # noqa: E402
from audit.domain import dispatch as send  # noqa: E402
from audit.models import Checkpoint  # noqa: E402
from audit.reactions.declarations import subscriptions  # noqa: E402

SECONDS = 300


def person(email, **fields):
    return Person.objects.create_user(email, "correct horse", **fields)


def client_of(someone):
    client = Client(SERVER_NAME="localhost")
    client.force_login(someone)
    return client


def opens(client, *paths):
    for path in paths:
        response = client.get(path)
        assert response.status_code == 200, (path, response.status_code)


def created(client, path, **data):
    response = client.post(f"/countersign/api/{path}", data, content_type="application/json")
    assert response.status_code == 201, (path, response.content)


def waits_until(condition):
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, condition
        time.sleep(0.2)


class Receiver(BaseHTTPRequestHandler):
    """Accepts each delivery of a webhook."""

    received = SimpleQueue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()
        self.received.put(json.loads(body))


def reacts(root, writer):
    """Test that `manage.py work` calls event handlers and sends webhooks, with this one role."""
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    worker = subprocess.Popen([sys.executable, "manage.py", "work"])
    try:
        names = {each.name for each in subscriptions()}
        waits_until(lambda: names <= set(Checkpoint.objects.values_list("name", flat=True)))
        url = f"http://127.0.0.1:{server.server_port}/"
        created(client_of(root), "webhook-endpoints", destination=url, event_types=["notes.*"])
        send(Write(text="watched"), context=Context(actor=actor_for_user(writer)))
        delivered = Receiver.received.get(timeout=SECONDS)
        assert delivered["type"] == "notes.written"
        waits_until(lambda: Tally.objects.filter(events=1).exists())
    finally:
        worker.terminate()
        worker.wait(SECONDS)
    assert worker.returncode == 0
    server.shutdown()


def people():
    owners = [person(f"{name}@example.com", is_staff=True) for name in ("ann", "bob", "olga")]
    editors = Group.objects.create(name="Editors")
    editor = person("ed@example.com", is_staff=True)
    editor.groups.add(editors)
    deputy = person("dee@example.com", is_staff=True)
    writer = person("will@example.com")
    for holder in (editor, deputy):
        holder.user_permissions.add(Permission.objects.get(codename="view_approvalrequest"))
    writer.user_permissions.add(Permission.objects.get(codename="add_note"))
    return owners, editor, deputy, writer


def main(bootstrap):
    owners, editor, deputy, writer = people()
    root = person("root@example.com", is_staff=True, is_superuser=True)

    done = send(Write(text="first"), context=Context(actor=actor_for_user(writer)))
    assert isinstance(done, Completed)
    note = Note.objects.get(text="first")
    assert note.history.get().history_actor_label == "will@example.com"

    reacts(root, writer)

    call_command(*bootstrap)
    held = send(Write(text="second"), context=Context(actor=actor_for_user(writer)))
    assert isinstance(held, Postponed)
    request = ApprovalRequest.objects.get()
    item = f"/countersign/api/approval-requests/{request.pk}"
    until = timezone.now() + timedelta(days=7)
    delegation = {"delegate": "dee@example.com", "groups": ["Editors"], "ends_at": until}
    created(client_of(editor), "delegations", **delegation)
    approved = client_of(deputy).post(
        f"{item}/approve", {"digest": request.digest}, content_type="application/json"
    )
    assert approved.status_code == 200, approved.content
    assert Note.objects.filter(text="second").exists()

    opens(
        client_of(root),
        *("/admin/", "/admin/accounts/person/", "/admin/auth/group/", "/admin/notes/note/"),
        *(f"/admin/notes/note/{note.pk}/change/", f"/admin/notes/note/{note.pk}/history/"),
        f"/admin/notes/note/{note.pk}/history/{note.history.get().pk}/",
        *("/admin/audit/commandrecord/", "/admin/approvals/policy/"),
        *("/admin/approvals/policy/new/", "/admin/approvals/approvalrequest/"),
        f"/admin/approvals/approvalrequest/{request.pk}/change/",
        *("/countersign/log/", "/countersign/log/overview", "/countersign/log/export"),
        *(f"/countersign/log/subjects/note/{note.pk}", "/countersign/errors"),
        *(f"/countersign/log/commands/{done.command_id}", "/countersign/requests/"),
        *("/countersign/api/whoami", "/countersign/api/commands", "/countersign/api/events"),
        item,
    )
    opens(client_of(writer), f"/countersign/requests/{request.pk}/")
    opens(client_of(editor), f"/admin/approvals/approvalrequest/{request.pk}/change/")
    index = client_of(owners[0]).get("/admin/").content.decode()
    assert "Django administration" in index
    assert "Countersign" not in index
    for path in ("whoami", "commands", f"commands/{done.command_id}", "events", "policies"):
        assert Client(SERVER_NAME="localhost").get(f"/countersign/api/{path}").status_code == 401


main(sys.argv[1:])
