"""The examples of the pages on the API, run as they stand against the real server."""

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission

from approvals.models import ApprovalRequest
from tests.conftest import PASSWORD, approved, create_key, new_approver
from tests.serving import serving
from tests.threads import Crowd, until

pytestmark = pytest.mark.edge

BIN = Path(sys.executable).parent
#: A reader's `curl` that keeps each response. Nothing that follows a failure is run.
PRELUDE = """
set -eu -o pipefail
curl() {
  local call; call=$(mktemp "$CALLS/XXXXXX")
  command curl -D "$call.head" "$@" | tee "$call.body"
}
json() { python3 -c "import json, sys; print(json.load(sys.stdin)$1)"; }
"""
#: Problems that an example may end in, since an earlier one of its page had an effect.
BY_STATE = {HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED}
#: The decisions on that page are not all for the same person.
FOR_OTHERS = {"not_the_requester"}


@pytest.fixture
def ann(ann):
    """Ann, who may do all that permissions allow."""
    ann.user_permissions.set(Permission.objects.all())
    return ann


@pytest.fixture
def run(tmp_path, first_key, dana, acme):
    """A function that runs blocks of a page, and returns the status and code of each response."""
    calls = tmp_path / "calls"
    calls.mkdir()
    dana.user_permissions.add(Permission.objects.get(codename="verify_apikey"))
    verifier = create_key(dana, acme, name="verifier", scopes=("keys:verify",))

    def script(text, address, **variables):
        facts = {"HOST": address, "KEY": first_key.secret, "VERIFIER": verifier.secret}
        done = subprocess.run(
            ["bash", "-c", PRELUDE + text],
            cwd=tmp_path,
            env=os.environ
            | {"CALLS": str(calls), "PATH": f"{BIN}:{os.environ['PATH']}"}
            | facts
            | {name: str(value) for name, value in variables.items()},
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return [response(head) for head in sorted(calls.glob("*.head"))]

    return script


def blocks(page, language="sh"):
    """Return the blocks of a page that a reader can run over HTTP, as one script."""
    text = (settings.BASE_DIR / "docs" / page).read_text()
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    runnable = "\n".join(each for each in found if "manage.py" not in each)
    # Given by the test.
    return re.sub(r"(?m)^(HOST=|pip install).*$", "", runnable)


def response(head):
    """Return the status and the code of a response."""
    status = int(re.findall(r"HTTP/1.1 (\d+)", head.read_text())[-1])
    with suppress(ValueError, TypeError, AttributeError):
        return status, json.loads(head.with_suffix(".body").read_text()).get("code")
    return status, None


def unexpected(responses):
    return [
        (status, code)
        for status, code in responses
        if status >= HTTPStatus.BAD_REQUEST and status not in BY_STATE and code not in FOR_OTHERS
    ]


def test_the_examples_of_the_api_run(run, disabling_needs_two, ann, bob, tmp_path, first_key):
    with serving() as address, Crowd(1) as crowd:
        waiting = crowd.start(lambda: run(blocks("http-api.md"), address))
        until(lambda: ApprovalRequest.objects.exists() or waiting.done())
        approved(ApprovalRequest.objects.get(), ann, bob)
        responses = waiting.result()

        snippet = blocks("http-api.md", "python")
        snippet = snippet.replace("http://127.0.0.1:8000", address)
        snippet = snippet.replace("cs_live_…", first_key.secret)
        program = tmp_path / "snippet.py"
        program.write_text(f"{snippet}\nprint(created.name)\n")
        told = subprocess.run(
            [sys.executable, str(program)], capture_output=True, text=True, check=True, cwd=tmp_path
        )

    assert unexpected(responses) == []
    assert len(responses) > 10
    assert {200, 201, 202} <= {status for status, _ in responses}
    assert told.stdout == "from-python\n"


def test_the_examples_of_approvals_run(
    run, disabling_needs_two, policy_owners, ann, bob, dana, acme, security
):
    key = create_key(dana, acme, name="ci")
    # Ann proposes a policy that two others than she have to be able to meet.
    new_approver("cleo", acme, groups=[security])
    with serving() as address:
        responses = run(blocks("http-api-approvals.md"), address, ID=key.id, PASSWORD=PASSWORD)

    assert unexpected(responses) == []
    assert len(responses) > 15
    assert sum(status == HTTPStatus.ACCEPTED for status, _ in responses) >= 4
    request = ApprovalRequest.objects.get(subject_id=str(key.id))
    assert request.votes.filter(decision="approve").exists()
