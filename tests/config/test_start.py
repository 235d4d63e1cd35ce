"""`manage.py start`: one command to a running demo, and one key to end all of it."""

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from itertools import takewhile

import pytest
from django.core.management import CommandError, call_command

from tests.threads import until

pytestmark = pytest.mark.edge

LAST_LINE = "Ctrl-C stops everything.\n"


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def started(fresh_environment, home, free_port):
    """Start everything in an empty directory; yield the command once it has told its story."""
    command = subprocess.Popen(
        [sys.executable, "manage.py", "start"],
        env=fresh_environment | {"DATA_DIR": str(home), "PORT": str(free_port)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with command:
        command.base_url = f"http://127.0.0.1:{free_port}"
        command.banner = "".join(takewhile(LAST_LINE.__ne__, command.stdout))
        yield command
        command.terminate()


def test_start_serves_all_that_its_banner_lists_and_stops_all_of_it(started, home):
    with urllib.request.urlopen(f"{started.base_url}/admin/login/") as page:
        status = page.status
    server_ran = list(home.glob("postgres/data*/postmaster.pid"))

    started.send_signal(signal.SIGTERM)
    code = started.wait()

    assert status == 200
    assert f"{started.base_url}/admin/" in started.banner
    assert "dana" in started.banner
    assert server_ran
    assert code == 0
    assert not list(home.glob("postgres/data*/postmaster.pid"))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(started.base_url.rpartition(":")[2])))


def test_e_mails_about_approvals_are_files_that_the_banner_names(started, home):
    mail = home / "mail"
    dana = json.loads((home / "demo.json").read_text())["api_key"]
    made = json.loads(post(f"{started.base_url}/api/v2/api-keys", {"name": "ci"}, key=dana))

    post(f"{started.base_url}/api/v2/api-keys/{made['id']}/disable", {}, key=dana)

    def sent():
        return "".join(file.read_text("utf-8") for file in mail.glob("*"))

    # The worker sends them.
    until(lambda: {"To: ann@", "To: bob@"} <= set(re.findall("^To: [a-z]+@", sent(), re.MULTILINE)))
    assert str(mail) in started.banner
    assert stat.S_IMODE(mail.stat().st_mode) == 0o700
    assert "To: ann@countersign.example" in sent()
    assert "To: bob@countersign.example" in sent()
    assert "“ci”" in sent()
    assert f"{started.base_url}/admin/approvals/approvalrequest/" in sent()


def test_a_port_in_use_is_reported_with_a_remedy(settings, taken_port):
    settings.DEMO = True
    settings.WEB_PORT = taken_port

    with pytest.raises(CommandError, match=f"Port {taken_port} is taken.*PORT={taken_port + 1}"):
        call_command("start")


def test_the_demo_is_refused_on_an_external_database(settings):
    settings.DEMO = False

    with pytest.raises(CommandError, match="runs only on the embedded database"):
        call_command("start")


def post(url, body, *, key):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return answer.read()
