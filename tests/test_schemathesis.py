"""The API against its document, tried with data that nobody thought of."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User

from audit.models.records import CommandRecord
from tests.conftest import Key, create_key, member, policy
from tests.http import call
from tests.serving import serving

pytestmark = pytest.mark.edge

#: How long it tries. A few seconds prove little; .ci/run asks for more than a developer does.
SECONDS = os.environ.get("SCHEMATHESIS_SECONDS", "10")
CSRF_TOKEN = "c" * 32
NO_LIMIT = {
    "RATE_LIMIT_PER_KEY": "1000000/1",
    "RATE_LIMIT_FAILED_ATTEMPTS": "1000000/1",
}


@pytest.fixture
def owner_of_keys(acme) -> User:
    """Ozzy owns the key that calls, and may do all there is."""
    return with_every_permission(member("ozzy", acme))


@pytest.fixture
def approver(acme, security) -> User:
    """Ann signs in: she may do all there is, and belongs to Security."""
    return with_every_permission(member("ann", acme, groups=[security]))


@pytest.fixture
def key(owner_of_keys, acme, security) -> Key:
    """The key that calls. It must not be turned off by what it tries itself."""
    scopes = ("read", "write", "keys:verify")
    made = create_key(owner_of_keys, acme, name="schemathesis", scopes=scopes)
    for verb in ("update", "disable", "delete", "rotate"):
        condition = f'command.api_key_id == "{made.id}"'
        forbid = {"effect": "forbid", "condition": condition}
        policy(f"apikeys.{verb}", group=security, quorum=1, **forbid)
    return made


def with_every_permission(person: User) -> User:
    """Let a person do all there is."""
    person.user_permissions.set(Permission.objects.all())
    return person


def test_the_api_does_what_its_document_says(
    client, key, approver, bob, security, policy_owners, browser, tmp_path
):
    policy("apikeys.rotate", group=security, quorum=1)
    ann = browser(approver)
    facts = {
        "SCHEMATHESIS_SECRET": key.secret,
        "SCHEMATHESIS_SESSION": ann.cookies["sessionid"].value,
        "SCHEMATHESIS_CSRF_TOKEN": CSRF_TOKEN,
    }

    with serving(**NO_LIMIT) as address:
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli"),
                *("--config-file", str(settings.BASE_DIR / "tests/schemathesis.toml")),
                *("run", f"{address}/api/v2/openapi.json", "--checks", "all"),
                # One worker: Python 3.11 may fail to parse source in two threads at once.
                *("--max-time", SECONDS, "--seed", "1", "--workers", "1"),
                *("--report", "ndjson", "--report-dir", str(tmp_path), "--no-color"),
            ],
            env=os.environ | facts | {"PYTHONPATH": str(settings.BASE_DIR)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert run.returncode == 0, run.stdout
    # Or else it tried nothing but the doors: its caller is still good, and got in.
    assert call(client, "GET", "/api/v2/whoami", key=key).status_code == 200
    tried = CommandRecord.objects.filter(channel="v2")
    assert "apikeys.create" in tried.filter(status="succeeded").values_list(
        "message_type", flat=True
    )
    assert tried.values("message_type").distinct().count() > 10
