"""E-mail by the worker: no vote waits for the mail server, no killed process loses a message."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Sum, Value
from django.db.models.functions import Concat

from apikeys.commands import DisableApiKey
from apikeys.models import ApiKey
from audit.models.records import EventRecord
from audit.models.subscriptions import Checkpoint, Setback
from audit.reactions import checkpoints
from audit.reactions.declarations import find
from tests import servers
from tests.conftest import approved, held
from tests.edge.client import exchange, head
from tests.edge.mail_server import MailServer
from tests.threads import until

pytestmark = pytest.mark.edge


@pytest.fixture
def mail_server():
    with MailServer() as running:
        yield running


@contextmanager
def working(mail_server):
    """A worker that sends e-mail, until it is killed at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "work", "approvals.mail"],
        cwd=settings.BASE_DIR,
        env=servers.environment(**with_mail(mail_server)),
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def with_mail(mail_server):
    return {
        "DJANGO_SETTINGS_MODULE": "tests.edge.settings",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(mail_server.port),
        "EMAIL_USE_TLS": "false",
    }


def end_leases():
    """Let the leases of a killed worker end now, instead of after a minute."""
    Checkpoint.objects.update(lease=None, leased_until=None)


def handled():
    """The number of events that were handled: the request and its end."""
    return Checkpoint.objects.aggregate(total=Sum("handled"))["total"]


def test_a_vote_waits_for_no_mail_server_and_a_killed_worker_loses_no_message(
    serve, mail_server, first_key, dana, ann, bob, disabling_needs_two, context_of, browser
):
    User.objects.update(email=Concat("username", Value("@example.com")))
    checkpoints.ensure(find("approvals.mail"))
    request = held(DisableApiKey(api_key_id=first_key.id), context=context_of(dana))
    approved(request, ann)
    server = serve(**with_mail(mail_server))

    cookies = browser(bob).cookies
    path = f"/api/v2/approval-requests/{request.pk}/approve"
    body = f'{{"digest": "{request.digest}"}}'.encode()
    headers = (
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-CSRFToken: {'c' * 32}\r\n"
        f"Cookie: sessionid={cookies['sessionid'].value}; csrftoken={'c' * 32}\r\n"
    )
    vote = head(b"POST", path.encode(), extra=headers.encode()) + body
    answer = exchange(server.port, vote, seconds=60)

    assert answer.only("POST").status == 200, answer
    assert not ApiKey.objects.get().is_enabled
    assert not mail_server.connected.is_set()

    with working(mail_server):
        assert mail_server.connected.wait(60)
    mail_server.hangs = False
    end_leases()
    with working(mail_server):
        until(lambda: mail_server.messages and handled() == 2 and not Setback.objects.exists())

    settled = EventRecord.objects.get(message_type="approvals.settled")
    ((recipient, message),) = mail_server.messages
    assert recipient == "dana@example.com"
    assert re.search(r"(?m)^Message-ID: <(\S+?)\.", message)[1] == str(settled.id)
